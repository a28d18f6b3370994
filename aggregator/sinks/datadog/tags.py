"""What every line of a stream has in common at Datadog: names and tags as Datadog's own Agent writes them.

Room: aggregator sinks, pure. Never enters: the network. Tag names: datadog-agent comp/core/tagger/tags/tags.go, and `filename`,
`dirname` of its file tailer; what the Agent has no name for is not sent.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import orjson

from aggregator.core.workload import owners_of
from towline.wire.identity import Origin, Pod

MAX_TAG_CHARS = 200  # docs.datadoghq.com/getting_started/tagging: longer ones are cut there
_NOT_IN_A_TAG = re.compile(r"[^\w.:/-]")  # letters and digits of any language, `_ - : . /`; a comma would end the tag
_UNIFIED = ("env", "service", "version")
_APP_LABELS = ("name", "instance", "version", "component", "part-of", "managed-by")


def tags_of(pod: Pod, origin: Origin) -> list[str]:
    """`key:value` tags, each once, in a fixed order, safe to be joined by commas."""
    found = [f"{key}:{value}" for key, value in _pairs(pod, origin) if value] + [tag for tag in origin.tags if tag]
    return list(dict.fromkeys(map(clean_tag, found)))


def clean_tag(tag: str) -> str:
    """A tag as it can stand there."""
    return _NOT_IN_A_TAG.sub("_", tag)[:MAX_TAG_CHARS]


def constants_of(pod: Pod, origin: Origin) -> bytes:
    """The JSON members that all lines of a stream share, each with a comma before it: `,"ddsource":"nginx",...`."""
    members = {
        "ddsource": origin.source,
        "service": service_of(pod, origin),
        "hostname": pod.name,  # without nodes, the pod is the host (Fargate has no host identity at all)
        "ddtags": ",".join(tags_of(pod, origin)),
        "status": "info",  # what Datadog itself takes a line for whose level nobody parsed
    }
    return b"," + _json({key: value for key, value in members.items() if value})[1:-1]


def service_of(pod: Pod, origin: Origin) -> str:
    """The configuration's word, else the pod's unified service tag, else the workload."""
    return origin.service or _unified(pod, origin, "service") or pod.workload or pod.name


def _pairs(pod: Pod, origin: Origin) -> Iterator[tuple[str, str]]:
    for name in _UNIFIED:
        yield name, _unified(pod, origin, name)
    yield "kube_cluster_name", pod.cluster
    yield "kube_namespace", pod.namespace
    yield "pod_name", pod.name
    yield "kube_container_name", origin.container
    owners = owners_of(pod)
    for owner in owners:
        yield f"kube_{owner.kind}", owner.name
    for owner in owners[:1]:
        yield "kube_ownerref_kind", owner.kind.replace("_", "")
        yield "kube_ownerref_name", owner.name
    for name in _APP_LABELS:
        yield f"kube_app_{name.replace('-', '_')}", pod.labels.get(f"app.kubernetes.io/{name}", "")
    yield "region", pod.region
    yield "aws_account", pod.account
    path = PurePosixPath(origin.path)
    yield "filename", path.name
    yield "dirname", str(path.parent) if path.name else ""


def _unified(pod: Pod, origin: Origin, name: str) -> str:
    """Unified service tagging: the container's own label, else the pod's."""
    own = pod.labels.get(f"tags.datadoghq.com/{origin.container}.{name}", "") if origin.container else ""
    return own or pod.labels.get(f"tags.datadoghq.com/{name}", "")


def _json(value: dict[str, str]) -> bytes:
    # A value may hold what is no text (a lone surrogate, from a damaged path): replaced, as in lines.
    return orjson.dumps({key: text.encode("utf-8", "replace").decode() for key, text in value.items()})
