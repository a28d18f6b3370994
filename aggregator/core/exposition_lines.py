"""Samples as lines of the Prometheus text formats: names made valid, texts escaped, values written so that they read back equal.

Room: aggregator core. Never enters: the page as a whole, clocks, sockets. Formats: Prometheus text 0.0.4, OpenMetrics 1.0.
A sample line is the same in both; only the lines above it differ.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple

from aggregator.core.series import Kind, Row

# Proven, so it overwrites. Which `container` of its pod a sample is of, only the collector and the app can say.
IDENTITY = frozenset({"namespace", "pod"})
MAX_LABELS_CHARS = 8_192  # of one series; longer ones are refused
MAX_NAME_CHARS = 512
_CHARS_OF_EACH = 128  # what remembering a text takes beside it

_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_NUMBERS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf", "0.0": "0", "-0.0": "0"}  # zero has no sign here
_TOTAL = "_total"
_INFO = "_info"
_TEXT_TYPE: Mapping[Kind, str] = {
    "unknown": "untyped",
    "info": "gauge",
    "stateset": "gauge",
    "gaugehistogram": "untyped",
}
_SUFFIXES: Mapping[Kind, tuple[str, ...]] = {
    "histogram": ("", "_bucket", "_sum", "_count", "_created"),
    "summary": ("", "_sum", "_count", "_created"),
}


def metric_name(name: str) -> str:
    """`name` with every character that the format does not allow made an underscore; "" stays "", which is no name."""
    return _not_digit_first(_NOT_IN_METRIC.sub("_", name))


def label_name(name: str) -> str:
    """Like `metric_name`, without colons. Two leading underscores belong to Prometheus itself (`__name__`): one is left."""
    cleaned = _not_digit_first(_NOT_IN_LABEL.sub("_", name)) or "_"
    return "_" + cleaned.lstrip("_") if cleaned.startswith("__") else cleaned


class LabelWriter:
    """Label sets as text. Shapes (the names, in their order) and texts are remembered: a pod's families share most of them."""

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        self._without = without
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self.chars = 0  # of what is remembered, about

    def write(self, labels: Mapping[str, str]) -> str:
        """`a="1",b="2"`, sorted, so that equal sets are equal texts. An empty value is no label; of two names that became one the first stays."""
        names = tuple(labels)
        shape = self._shapes.get(names) or self._learn(names)
        pick, template, texts = shape
        values = pick(labels)
        text = texts.get(values)
        if text is None:
            if "" in values:  # another label may stand for it: not only `values` decide
                return _any_label_text({name: labels[name] for name in names if labels[name]}, self._without)
            together = "".join(values)
            if "\\" in together or "\n" in together or '"' in together:
                values = tuple(map(escaped, values))
            text = texts[pick(labels)] = template % values
            self.chars += 2 * len(text) + _CHARS_OF_EACH
        return text

    def write_all(self, sets: Iterable[Mapping[str, str]]) -> list[str]:
        """The texts of many sets. Those of a family mostly have the same names, which are then not looked at again."""
        written: list[str] = []
        pick: Callable[[Mapping[str, str]], tuple[str, ...]] = _pick_none
        texts: Mapping[tuple[str, ...], str] = {}
        count = -1
        for labels in sets:
            try:
                # As many names as were picked, and those among them: no other.
                text = texts.get(pick(labels)) if len(labels) == count else None
            except KeyError:
                text = None
            if text is None:
                text = self.write(labels)
                pick, _, texts = self._shapes[tuple(labels)]
                count = len(labels) if len(pick(labels)) == len(labels) else -1
            written.append(text)
        return written

    def _learn(self, names: tuple[str, ...]) -> "_Shape":
        chosen = _chosen(names, self._without)
        template = ",".join(f'{name}="%s"' for name in chosen)
        self.chars += sum(map(len, names)) + _CHARS_OF_EACH
        shape = self._shapes[names] = _Shape(_picking(tuple(chosen.values())), template, {})
        return shape


class _Shape(NamedTuple):
    """How label sets of the same names are written, and those that were."""

    pick: Callable[[Mapping[str, str]], tuple[str, ...]]
    template: str
    texts: dict[tuple[str, ...], str]


def label_text(labels: Mapping[str, str]) -> str:
    """One label set as text."""
    return LabelWriter().write(labels)


def number(value: float) -> str:
    """The shortest text that reads back as exactly this value."""
    text = repr(value)
    return _NUMBERS.get(text) or (text[:-2] if text[-2:] == ".0" else text)


def numbers(values: Iterable[float]) -> list[str]:
    """The same of many."""
    of_some = _NUMBERS.get
    return [of_some(text) or (text[:-2] if text[-2:] == ".0" else text) for text in map(repr, values)]


def number_of(text: str) -> float:
    """A number as the text formats write it, NaN where it is none. Python's own liberties (1_000, other digits) are not taken."""
    if not text.isascii() or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def text_head(name: str, kind: Kind, help_text: str) -> bytes:
    """HELP and TYPE in text format 0.0.4; no HELP line where there is no help."""
    helped = f"# HELP {name} {_one_line(help_text)}\n" if help_text else ""
    return _encoded(f"{helped}# TYPE {name} {_TEXT_TYPE.get(kind, kind)}\n")


def openmetrics_head(name: str, kind: Kind, help_text: str, unit: str = "") -> bytes:
    """TYPE, UNIT and HELP in OpenMetrics: a counter's family has no `_total`; one that never had it is no counter there.

    A unit stands there only where it is the name's last word, as the format asks.
    """
    family = openmetrics_family(name, kind)
    shown = "unknown" if family == name and kind in {"counter", "info"} else kind
    has_unit = bool(unit) and family.endswith(f"_{unit}") and shown not in {"info", "stateset"}
    united = f"# UNIT {family} {unit}\n" if has_unit else ""
    helped = f"# HELP {family} {escaped(help_text)}\n" if help_text else ""
    return _encoded(f"# TYPE {family} {shown}\n{united}{helped}")


def openmetrics_family(name: str, kind: Kind) -> str:
    """The family's name in OpenMetrics."""
    return name.removesuffix({"counter": _TOTAL, "info": _INFO}.get(kind, "")) or name


def claimed_names(name: str, kind: Kind) -> frozenset[str]:
    """Every name that this family takes on a page, in either format and for every reader: no other family may have one of them.

    Some readers add `_total` to a counter that has none, hence that name is taken too.
    """
    family = openmetrics_family(name, kind)
    if kind == "counter":
        return frozenset({name, family, f"{family}{_TOTAL}", f"{family}_created"})
    if kind == "info":
        return frozenset({name, family})
    return frozenset(name + suffix for suffix in _SUFFIXES.get(kind, ("",)))


def line(name: str, labels: str, value: str) -> str:
    """One sample's line."""
    return f"{name}{{{labels}}} {value}\n" if labels else f"{name} {value}\n"


def lines_of(identity: str, rows: Iterable[Row]) -> list[str]:
    """Samples' lines, each with its pod's `identity` before its own labels."""
    if not identity:
        return [line(name, labels, value) for name, labels, value, _ in rows]
    bare, more = f"{{{identity}}}", f"{{{identity},"
    return [
        f"{name}{more}{labels}}} {value}\n" if labels else f"{name}{bare} {value}\n" for name, labels, value, _ in rows
    ]


def block(lines: Iterable[str]) -> bytes:
    """Sample lines as they are kept."""
    return _encoded("".join(lines))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _pick_none(_: Mapping[str, str]) -> tuple[str, ...]:
    return ()


def _picking(names: tuple[str, ...]) -> Callable[[Mapping[str, str]], tuple[str, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda labels: (labels[names[0]],)) if names else _pick_none


def _chosen(names: Iterable[str], without: frozenset[str]) -> dict[str, str]:
    """Valid name -> the raw name that stands for it, sorted by the former."""
    chosen: dict[str, str] = {}
    for raw in names:
        name = label_name(raw)
        if name not in without:
            chosen.setdefault(name, raw)
    return dict(sorted(chosen.items()))


def _any_label_text(labels: Mapping[str, str], without: frozenset[str]) -> str:
    return ",".join(f'{name}="{escaped(labels[raw])}"' for name, raw in _chosen(labels, without).items())


def escaped(text: str) -> str:
    """A label's value (or OpenMetrics' help) as it stands between quotes."""
    return _one_line(text).replace('"', '\\"')


def _one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _not_digit_first(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name
