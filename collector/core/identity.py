"""Who this pod is, from what the environment and the downward API files say.

Room: collector core. Never enters: files, sockets, clocks (identity.py beside app.py reads them).
"""

import re
from collections.abc import Mapping

from towline.wire.identity import Pod

MAX_LABELS = 64
MAX_ANNOTATIONS = 64
MAX_ANNOTATION_CHARS = 4096  # the pod travels with every request
KEPT_ANNOTATION_PREFIXES = ("towline.dev/", "prometheus.io/")
KEPT_ANNOTATIONS = frozenset({"CapacityProvisioned"})  # what Fargate gave the pod; its node's size says nothing
# Where there are more labels than MAX_LABELS, these stay: sinks and routes read them.
_FIRST_LABELS = ("tags.datadoghq.com/", "app.kubernetes.io/", "towline.dev/")

# Kubernetes makes names of these 27 characters: no vowels, no 0 1 3 (k8s.io/apimachinery/pkg/util/rand).
_SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]"
_POD_OF_CRON_JOB = re.compile(rf"(.+)-[0-9]{{8,10}}-{_SUFFIX}{{5}}")  # minutes, before 1.21 seconds, since 1970
_POD_OF_DEPLOYMENT = re.compile(
    rf"(.+)-(?=[^-]*[0-9]){_SUFFIX}{{6,10}}-{_SUFFIX}{{5}}"
)  # the template's hash always holds a digit but once in 10**5
_POD_OF_STATEFUL_SET = re.compile(r"(.+)-[0-9]+")
_POD_OF_OTHERS = re.compile(rf"(.+)-{_SUFFIX}{{5}}")  # Job, ReplicaSet, DaemonSet
_CRON_JOBS_JOB = re.compile(r"(.+)-[0-9]{8,10}")

_LINE = re.compile(r'([^="\s]+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_SHORT_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MAX_CODE_POINT = 0x10FFFF


def parse_podinfo(text: str) -> dict[str, str]:
    """Labels or annotations of a downward API file: `key="value"` a line, values quoted as Go's strconv.Quote does.

    Lines that are not of this form are passed over. Source: kubernetes pkg/fieldpath FormatMap.
    """
    pairs = (_LINE.fullmatch(line.strip()) for line in text.split("\n"))
    return {pair[1]: _unquoted(pair[2]) for pair in pairs if pair}


def _unquoted(text: str) -> str:
    """The value in Go's quotes. A byte that was not UTF-8 (backslash, x, two digits) becomes U+FFFD."""

    def replace(match: re.Match[str]) -> str:
        byte, short, long, other = match.groups()
        if byte is not None:
            return chr(int(byte, 16)) if int(byte, 16) < 0x80 else "\ufffd"
        if other is not None:
            return _SHORT_ESCAPES.get(other, other)
        code = int(short or long, 16)
        return "\ufffd" if 0xD800 <= code <= 0xDFFF or code > _MAX_CODE_POINT else chr(code)

    return _ESCAPE.sub(replace, text)


def kept_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """At most MAX_LABELS labels, the same ones each time."""
    chosen = sorted(labels, key=lambda key: (not key.startswith(_FIRST_LABELS), key))[:MAX_LABELS]
    return {key: labels[key] for key in sorted(chosen)}


def kept_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that are addressed to us, or that say what the pod was given; none that is longer than MAX_ANNOTATION_CHARS."""
    chosen = sorted(
        key
        for key, value in annotations.items()
        if (key.startswith(KEPT_ANNOTATION_PREFIXES) or key in KEPT_ANNOTATIONS) and len(value) <= MAX_ANNOTATION_CHARS
    )
    return {key: annotations[key] for key in chosen[:MAX_ANNOTATIONS]}


def workload_of(pod_name: str, labels: Mapping[str, str] | None = None) -> str:
    """The pod's name without what Kubernetes generated: `web-5c689d88bb-x2x9z` is `web`.

    Labels that the controllers set are believed before patterns; a name that matches none is its own workload. A bare
    pod whose name happens to end like a generated one loses that end: TOWLINE_WORKLOAD says it better.
    """
    known = _workload_by_label(pod_name, labels or {})
    if known:
        return known
    for pattern in (_POD_OF_CRON_JOB, _POD_OF_DEPLOYMENT, _POD_OF_STATEFUL_SET, _POD_OF_OTHERS):
        match = pattern.fullmatch(pod_name)
        if match:
            return match[1]
    return pod_name


def _workload_by_label(pod_name: str, labels: Mapping[str, str]) -> str:
    job = labels.get("batch.kubernetes.io/job-name") or labels.get("job-name", "")
    if job:
        match = _CRON_JOBS_JOB.fullmatch(job)
        return match[1] if match else job
    template_hash = labels.get("pod-template-hash", "")
    head, found, _ = pod_name.rpartition(f"-{template_hash}-")
    return head if template_hash and found else ""


def pod_of(env: Mapping[str, str], labels: Mapping[str, str], annotations: Mapping[str, str], place: Pod) -> Pod:
    """The pod as the environment names it; what it does not name is taken from `place` (host name, `local`, the machine's uid, configuration)."""
    name = env.get("POD_NAME") or place.name
    return Pod(
        namespace=env.get("POD_NAMESPACE") or place.namespace,
        name=name,
        uid=env.get("POD_UID") or place.uid,
        ip=env.get("POD_IP", ""),
        node=env.get("NODE_NAME", ""),
        service_account=env.get("POD_SERVICE_ACCOUNT", ""),
        workload=env.get("TOWLINE_WORKLOAD") or workload_of(name, labels),
        cluster=place.cluster,
        region=place.region,
        account=place.account,
        labels=kept_labels(labels),
        annotations=kept_annotations(annotations),
    )
