"""Which streams a route means: globs over who wrote them and where.

Room: aggregator core. Never enters: lines, sinks.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from towline.wire.identity import Origin, Pod

OF_STREAM: Mapping[str, Callable[[Pod, Origin], str]] = {
    "namespace": lambda pod, _: pod.namespace,
    "pod": lambda pod, _: pod.name,
    "workload": lambda pod, _: pod.workload or pod.name,
    "container": lambda _, origin: origin.container,
    "source": lambda _, origin: origin.source,
    "service": lambda _, origin: origin.service,
    "path": lambda _, origin: origin.path,
}
_WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Glob:
    """One of several patterns: `*` and `?` stop at a slash, as in a shell; `**` does not; `[abc]` and `[!abc]` are sets."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._compiled = re.compile("|".join(map(_expression, patterns)), re.DOTALL)

    def matches(self, value: str) -> bool:
        return self._compiled.fullmatch(value) is not None


class Match:
    """A stream matches if every key does: keys of OF_STREAM, and the pod's labels by name (one that is not there never matches)."""

    def __init__(
        self, values: Mapping[str, Sequence[str]] | None = None, labels: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._values = [(OF_STREAM[key], Glob(patterns)) for key, patterns in (values or {}).items()]
        self._labels = [(key, Glob(patterns)) for key, patterns in (labels or {}).items()]

    def matches(self, pod: Pod, origin: Origin) -> bool:
        return all(glob.matches(of(pod, origin)) for of, glob in self._values) and all(
            key in pod.labels and glob.matches(pod.labels[key]) for key, glob in self._labels
        )


def _expression(pattern: str) -> str:
    """A glob as a regular expression. A `[` without its `]` is a character like any other."""
    return "".join(_part(part) for part in _WILDCARD.split(pattern) if part)


def _part(part: str) -> str:
    if part in _MEANING:
        return _MEANING[part]
    if not (part.startswith("[") and part.endswith("]") and len(part) > 2):
        return re.escape(part)
    is_negated = part[1] == "!"
    inner = re.sub(r"([\\\[\]&~|^])", r"\\\1", part[2 if is_negated else 1 : -1])
    return f"[{'^/' if is_negated else ''}{inner}]"
