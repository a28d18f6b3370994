"""What stands around the metrics of a log event: time, namespace, dimensions, and fields to query by.

Room: aggregator sinks, pure. Never enters: values, snapshots.
"""

from collections.abc import Mapping
from typing import Any

from aggregator.core.template import MISSING
from aggregator.core.vendor_names import INSIGHTS_NAMESPACE, LAUNCH_TYPE, TYPE
from aggregator.sinks.cloudwatch.emf import Frame, dimension_value
from aggregator.sinks.cloudwatch.metric_config import MAX_DIMENSIONS, OWN_LABELS, CloudWatchMetricsConfig
from towline.wire.identity import Pod

_FORMAT = "_aws"  # the format's own member
_MAX_NAME_CHARS = 250  # of a dimension


class Frames:
    """Of one pod."""

    def __init__(self, config: CloudWatchMetricsConfig, pod: Pod) -> None:
        self._config = config
        self._pod = pod
        self._fields = _fields_of(pod)

    def of_insights(self, time_ms: int) -> Frame:
        """Of Container Insights' metrics: one of its performance log events."""
        pod = self._pod
        kubernetes = {"namespace_name": pod.namespace, "pod_name": pod.name, "pod_id": pod.uid, "host": pod.node}
        fields: dict[str, Any] = {
            **self._fields,
            "Type": TYPE,
            "Version": "0",
            "kubernetes": {name: value for name, value in kubernetes.items() if value},
        }
        return Frame(time_ms, INSIGHTS_NAMESPACE, self._config.dimensions, fields)

    def of_labels(self, labels: Mapping[str, str], time_ms: int) -> Frame | None:
        """Of other series with these labels; None where no set of dimensions can be made of them. Of one name, the pod's own word counts."""
        own = {name: dimension_value(value) for name, value in labels.items() if name != _FORMAT}
        own = {name: value for name, value in own.items() if value}
        fields = {**own, **self._fields}
        sets = [_resolved(names, own, fields) for names in self._config.app_dimensions]
        usable = {tuple(one): one for one in sets if one is not None}
        return Frame(time_ms, self._config.namespace, list(usable.values()), fields) if usable else None


def _fields_of(pod: Pod) -> dict[str, str]:
    said = {
        "ClusterName": pod.cluster,
        "Namespace": pod.namespace,
        "PodName": pod.workload or pod.name,
        "FullPodName": pod.name,
        "NodeName": pod.node,
        "LaunchType": LAUNCH_TYPE,
    }
    return {name: dimension_value(value) or MISSING for name, value in said.items()}


def _resolved(names: tuple[str, ...], own: Mapping[str, str], fields: Mapping[str, str]) -> list[str] | None:
    """A set with the labels' names in it; None where the series has no such label, or they are too many or too long."""
    found = dict.fromkeys(one for name in names for one in (own if name == OWN_LABELS else (name,)))
    fits = len(found) <= MAX_DIMENSIONS and all(name in fields and len(name) <= _MAX_NAME_CHARS for name in found)
    return list(found) if fits else None
