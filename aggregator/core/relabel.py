"""The label sets of a scraped text, made canonical: the scrape's own labels in, the pod's identity out, names valid, sorted.

Room: aggregator core. Never enters: whole lines (promtext.py), clocks, sockets.

A text has few *shapes* (the label names, in their order) and many values: what is to be done is worked out once per shape. A set with
a backslash, an empty value or a quoted name goes the slow way, value by value.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from aggregator.core.exposition_lines import IDENTITY, MAX_LABELS_CHARS, escaped, label_name

_MAX_SHAPES = 10_000  # a text of ever new label names must not fill the memory
_EXPORTED = "exported_"  # as Prometheus renames a label of the app's that the scrape sets
_BEFORE_VALUE = re.compile(r"[ \t]*(,?)[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*", re.ASCII)
_AFTER_LAST = re.compile(r"[ \t]*,?[ \t]*\}")
_PAIR = re.compile(
    r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\\n]++|\\.)++")[ \t]*=[ \t]*"((?:[^"\\\n]++|\\.)*+)"[ \t]*(,|$)[ \t]*',
    re.ASCII,
)
_QUOTED_NAME = re.compile(r'[ \t]*"((?:[^"\\\n]++|\\.)++)"[ \t]*(?:,|$)[ \t]*')
_ESCAPE = re.compile(r'\\([\\"n])')
_ESCAPED = {"\\": "\\", '"': '"', "n": "\n"}


class UnreadableError(ValueError):
    """A line, or a part of one, that cannot be read. `reason` is the word it is counted by."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LabelTexts(dict[str, str]):
    """What stood behind the opening brace, the closing one included -> the canonical label text, worked out at the first look.

    Looking up raises UnreadableError.
    """

    def __init__(self, own: Mapping[str, str]) -> None:
        super().__init__()
        self._own = {label_name(name): value for name, value in own.items() if value}
        self.own = self.of(())
        self.chars = 0
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def __missing__(self, raw: str) -> str:
        parts = raw.split('"')
        shape = self._shapes.get(tuple(parts[::2])) or self._learn(tuple(parts[::2]))
        if shape is None or "\\" in raw:
            text = self._odd_text(raw)
        else:
            values = shape.pick(parts)
            text = self._odd_text(raw) if "" in values else shape.template % values
        if len(text) > MAX_LABELS_CHARS:
            raise UnreadableError("too_long")
        self[raw] = text
        self.chars += len(raw) + len(text)
        return text

    def of(self, pairs: Iterable[tuple[str, str]]) -> str:
        """The canonical text of label pairs that are already read. Of two names that become one the first stays."""
        chosen: dict[str, str] = {}
        for raw, value in pairs:
            name = self._name(raw)
            if name not in IDENTITY and value:
                chosen.setdefault(name, value)
        everything = {name: value for name, value in self._own.items() if name not in IDENTITY} | chosen
        return ",".join(f'{name}="{escaped(everything[name])}"' for name in sorted(everything))

    def _odd_text(self, raw: str) -> str:
        """Value by value. Raises UnreadableError."""
        if raw[-1:] != "}":
            raise UnreadableError("malformed")
        return self.of(pairs_of(raw[:-1]))

    def _learn(self, parts: tuple[str, ...]) -> "_Shape | None":
        names = _names_of(parts)
        if names is None:
            return None
        places: dict[str, int] = {}
        for place, raw_name in enumerate(names):
            name = self._name(raw_name)
            if name not in IDENTITY:
                places.setdefault(name, 2 * place + 1)
        own = {name: f'{name}="{escaped(value)}"' for name, value in self._own.items() if name not in IDENTITY}
        texts = {name: f'{name}="%s"' for name in places} | {n: text.replace("%", "%%") for n, text in own.items()}
        shape = _Shape(_picking([places[n] for n in sorted(places)]), ",".join(texts[name] for name in sorted(texts)))
        if len(self._shapes) < _MAX_SHAPES:
            self._shapes[parts] = shape
        return shape

    def _name(self, raw: str) -> str:
        """The label under which one of the app's is shown."""
        name = label_name(raw)
        return _EXPORTED + name if name in self._own and name not in IDENTITY else name


def pairs_of(raw: str) -> list[tuple[str, str]]:
    """Names and values as they were meant, escapes undone. Raises UnreadableError. Names in quotes are Prometheus 3's."""
    pairs: list[tuple[str, str]] = []
    names = set()
    place, end = 0, len(raw.rstrip(" \t"))
    comma = ","
    while place < end:
        found = _PAIR.match(raw, place, end)
        if found is None or not comma:
            raise UnreadableError("malformed")
        name, value, comma = found.groups()
        name = unescaped(name[1:-1]) if name[0] == '"' else name
        if name in names:
            raise UnreadableError("malformed")
        names.add(name)
        pairs.append((name, unescaped(value)))
        place = found.end()
    return pairs


def quoted_name_of(raw: str) -> tuple[str, str]:
    """`{"my.name",a="b"}`: the metric's name that stands first between the braces, and the rest. Raises UnreadableError."""
    found = _QUOTED_NAME.match(raw)
    if found is None:
        raise UnreadableError("malformed")
    return unescaped(found.group(1)), raw[found.end() :]


def unescaped(text: str) -> str:
    r"""`\\`, `\"` and `\n` as what they mean; a backslash before anything else is itself."""
    return _ESCAPE.sub(lambda found: _ESCAPED[found.group(1)], text) if "\\" in text else text


class _Shape(NamedTuple):
    """How label sets of the same names are written: which parts of the split text are taken, and what they are put into."""

    pick: Callable[[Sequence[str]], tuple[str, ...]]
    template: str


def _names_of(parts: tuple[str, ...]) -> list[str] | None:
    """The names of a shape, or None where it is not one of plain names."""
    *before, last = parts
    found = [_BEFORE_VALUE.fullmatch(text) for text in before]
    if not _AFTER_LAST.fullmatch(last) or (not before and "," in last):
        return None
    names = [one.group(2) for place, one in enumerate(found) if one is not None and bool(one.group(1)) == bool(place)]
    return names if len(names) == len(before) == len(set(names)) else None


def _picking(places: list[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda parts: (parts[places[0]],)) if places else (lambda _: ())
