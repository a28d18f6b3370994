"""Names made of a pod's identity: `{namespace}`, `{labels[app]}` and the like, safe for where they go.

Room: aggregator core. Never enters: files, vendors' rules (the caller says what is safe and how long).
"""

import hashlib
import re
from collections.abc import Callable
from string import Formatter

from towline.wire.identity import Origin, Pod

MISSING = "unknown"  # stands for a value that the pod does not have
_DIGEST_HEX = 8

_OF_POD: dict[str, Callable[[Pod], str]] = {
    "namespace": lambda pod: pod.namespace,
    "pod": lambda pod: pod.name,
    "uid": lambda pod: pod.uid,
    "ip": lambda pod: pod.ip,
    "workload": lambda pod: pod.workload or pod.name,
    "service_account": lambda pod: pod.service_account,
    "node": lambda pod: pod.node,
    "cluster": lambda pod: pod.cluster,
    "region": lambda pod: pod.region,
    "account": lambda pod: pod.account,
}
_OF_ORIGIN: dict[str, Callable[[Origin], str]] = {
    "container": lambda origin: origin.container,
    "source": lambda origin: origin.source,
    "service": lambda origin: origin.service,
    "path": lambda origin: origin.path,
}
_KEYED = re.compile(r"(labels|annotations)\[([^\[\]]+)\]")
FIELDS = (*_OF_POD, *_OF_ORIGIN, "replica", "labels[NAME]", "annotations[NAME]")


class Template:
    """A text with fields in braces (`{{` is a brace). The same pod and origin always give the same name.

    Raises ValueError, whose message says what to write instead.
    """

    def __init__(self, text: str) -> None:
        try:
            parts = [(literal, field, spec, how) for literal, field, spec, how in Formatter().parse(text)]
        except ValueError:
            raise ValueError(
                f"{text!r} has a brace without its other half. Write {{field}}, or {{{{ for a brace"
            ) from None
        for _, field, spec, how in parts:
            if field is not None and (spec or how or not _is_field(field)):
                raise ValueError(f"there is no field {{{field}}}. Use: {', '.join(FIELDS)}")
        self._parts: list[tuple[str, str | None]] = []
        text = ""
        for literal, field, *_ in parts:
            text += literal
            if field is not None:  # an escaped brace ends a literal, too, but no field follows it
                self._parts.append((text, field))
                text = ""
        self._parts.append((text, None))
        self.literals = tuple(literal for literal, _ in self._parts)

    def render(self, pod: Pod, origin: Origin, replica: str, safe: Callable[[str], str]) -> str:
        """The name; `safe` is applied to each value, never to the template's own text."""
        made = []
        for literal, field in self._parts:
            made.append(literal)
            if field is not None:
                made.append(safe(_value(field, pod, origin, replica) or MISSING))
        return "".join(made)


def shorten(name: str, max_bytes: int) -> str:
    """`name` in at most `max_bytes` of UTF-8; one that is cut ends in a digest of the whole, so that two never become one."""
    raw = name.encode()
    if len(raw) <= max_bytes:
        return name
    digest = hashlib.blake2b(raw, digest_size=_DIGEST_HEX // 2).hexdigest()
    return f"{raw[: max_bytes - _DIGEST_HEX - 1].decode(errors='ignore')}-{digest}"


def _is_field(field: str) -> bool:
    return field in _OF_POD or field in _OF_ORIGIN or field == "replica" or _KEYED.fullmatch(field) is not None


def _value(field: str, pod: Pod, origin: Origin, replica: str) -> str:
    if field in _OF_POD:
        return _OF_POD[field](pod)
    if field in _OF_ORIGIN:
        return _OF_ORIGIN[field](origin)
    keyed = _KEYED.fullmatch(field)
    if keyed is None:
        return replica
    values = pod.labels if keyed[1] == "labels" else pod.annotations
    return values.get(keyed[2], "")
