"""Whose the series are that rules make of a stream's lines: a pod's, a workload's, or everybody's.

Room: aggregator core. Never enters: rules' other parts, lines, totals.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from aggregator.core.exposition_lines import label_text
from towline.wire.identity import Origin, Pod

Scope = Literal["pod", "workload", "all"]
StreamField = Literal["namespace", "workload", "pod", "container", "source", "service", "path"]

# Of a workload's pods these labels are the same; others change with each rollout.
_LASTING_LABELS = ("tags.datadoghq.com/env", "tags.datadoghq.com/service")


def said_of(pod: Pod, origin: Origin) -> dict[StreamField, str]:
    """What can be said of a stream by a label."""
    said: dict[StreamField, str] = {
        "namespace": pod.namespace,
        "workload": pod.workload,
        "pod": pod.name,
        "container": origin.container,
        "source": origin.source,
        "service": origin.service,
        "path": origin.path,
    }
    # A path may hold what is no text (a lone surrogate).
    return {name: value.encode("utf-8", "replace").decode() for name, value in said.items()}


def identity_of(per: Scope, said: Mapping[StreamField, str]) -> str:
    """The owner as label text; "" is everybody."""
    if per == "all":
        return ""
    return label_text({"namespace": said["namespace"], per: said[per]})


def owner_of(per: Scope, pod: Pod) -> Pod:
    """What of a pod is true of all whose lines make the same series."""
    if per == "pod":
        return replace(pod, annotations={})
    place = Pod(namespace="", name="", uid="", cluster=pod.cluster, region=pod.region, account=pod.account)
    if per == "all":
        return place
    labels = {name: pod.labels[name] for name in _LASTING_LABELS if name in pod.labels}
    return replace(place, namespace=pod.namespace, workload=pod.workload, labels=labels)
