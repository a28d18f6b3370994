"""Samples as lines of the Prometheus text formats: names made valid, texts escaped, values written so that they read back equal.

Room: aggregator core. Never enters: the page as a whole, clocks, sockets. Formats: Prometheus text 0.0.4, OpenMetrics 1.0.
A sample line is the same in both; only the lines above it differ.
"""

import math
import re
from collections.abc import Iterable, Mapping

from towline.wire.snapshot import FamilyType

_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_WHOLE_BELOW = 1e15  # below this a whole number is shorter, and just as exact, without its point
_TOTAL = "_total"


def metric_name(name: str) -> str:
    """`name` with every character that the format does not allow made an underscore; "" stays "", which is no name."""
    return _not_digit_first(_NOT_IN_METRIC.sub("_", name))


def label_name(name: str) -> str:
    """Like `metric_name`, without colons. Two leading underscores belong to Prometheus itself (`__name__`): one is left."""
    cleaned = _not_digit_first(_NOT_IN_LABEL.sub("_", name)) or "_"
    return "_" + cleaned.lstrip("_") if cleaned.startswith("__") else cleaned


class LabelWriter:
    """Label sets as text. The shape of the last set is remembered, as the samples of a family look alike."""

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        self._without = without
        self._names: tuple[str, ...] = ()
        self._chosen: tuple[str, ...] = ()
        self._template = ""

    def write(self, labels: Mapping[str, str]) -> str:
        """`a="1",b="2"`, sorted, so that equal sets are equal texts. An empty value is no label; of two names that became one the first stays."""
        names = tuple(labels)
        if names != self._names:
            self._learn(names)
        values = [labels[name] for name in self._chosen]
        together = "".join(values)
        if "" in values or "\\" in together or "\n" in together or '"' in together:
            return _any_label_text({name: labels[name] for name in names if labels[name]}, self._without)
        return self._template % tuple(values)

    def _learn(self, names: tuple[str, ...]) -> None:
        chosen = _chosen(names, self._without)
        self._names = names
        self._chosen = tuple(chosen.values())
        self._template = ",".join(f'{name}="%s"' for name in chosen)


def label_text(labels: Mapping[str, str]) -> str:
    """One label set as text."""
    return LabelWriter().write(labels)


def number(value: float) -> str:
    """The shortest text that reads back as exactly this value."""
    value = float(value)  # an int passes for a float, and has no is_integer until Python 3.12
    if value.is_integer() and -_WHOLE_BELOW < value < _WHOLE_BELOW:
        return str(int(value))
    if math.isfinite(value):
        return repr(value)
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def text_head(name: str, kind: FamilyType, help_text: str) -> bytes:
    """HELP and TYPE in text format 0.0.4; no HELP line where there is no help."""
    helped = f"# HELP {name} {_one_line(help_text)}\n" if help_text else ""
    return _encoded(f"{helped}# TYPE {name} {kind}\n")


def openmetrics_head(name: str, kind: FamilyType, help_text: str) -> bytes:
    """HELP and TYPE in OpenMetrics: a counter's family has no `_total`; one that never had it is no counter there."""
    family = openmetrics_family(name, kind)
    shown = "unknown" if kind == "counter" and family == name else kind
    helped = f"# HELP {family} {_escaped(help_text)}\n" if help_text else ""
    return _encoded(f"# TYPE {family} {shown}\n{helped}")


def openmetrics_family(name: str, kind: FamilyType) -> str:
    """The family's name in OpenMetrics."""
    return name.removesuffix(_TOTAL) if kind == "counter" else name


def claimed_names(name: str, kind: FamilyType) -> frozenset[str]:
    """Every name that this family takes on a page, in either format and for every reader: no other family may have one of them.

    Some readers add `_total` to a counter that has none, hence that name is taken too.
    """
    if kind != "counter":
        return frozenset({name})
    family = openmetrics_family(name, kind)
    return frozenset({name, family, f"{family}{_TOTAL}", f"{family}_created"})


def line(name: str, labels: str, value: float) -> str:
    """One sample's line."""
    return f"{name}{{{labels}}} {number(value)}\n" if labels else f"{name} {number(value)}\n"


def block(lines: Iterable[str]) -> bytes:
    """Sample lines as they are kept."""
    return _encoded("".join(lines))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _chosen(names: Iterable[str], without: frozenset[str]) -> dict[str, str]:
    """Valid name -> the raw name that stands for it, sorted by the former."""
    chosen: dict[str, str] = {}
    for raw in names:
        name = label_name(raw)
        if name not in without:
            chosen.setdefault(name, raw)
    return dict(sorted(chosen.items()))


def _any_label_text(labels: Mapping[str, str], without: frozenset[str]) -> str:
    return ",".join(f'{name}="{_escaped(labels[raw])}"' for name, raw in _chosen(labels, without).items())


def _escaped(text: str) -> str:
    return _one_line(text).replace('"', '\\"')


def _one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _not_digit_first(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name
