"""Which family a scraped sample belongs to, by its name and the TYPE lines before it.

Room: aggregator core. Never enters: how a line is read (promtext.py), labels and values.

The first TYPE of a name wins within a text; what follows under another is refused until the first is said again. `_created` series,
which are no measurement, go nowhere, and no loss is counted.
"""

import re
from collections import Counter
from collections.abc import Mapping

import msgspec

from aggregator.core.exposition_lines import MAX_NAME_CHARS, metric_name
from aggregator.core.relabel import UnreadableError
from aggregator.core.series import Kind, Row

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_IS_NAME = re.compile(NAME)
_CREATED = "_created"
_HAVE_CREATED = frozenset({"counter", "histogram", "summary"})
_MAX_HELP_CHARS = 2_048
_NO_LOSS = ""
# What a kind's samples are called, behind the TYPE line's name. Those of a gauge histogram are shown each by itself.
_SUFFIXES: Mapping[Kind, tuple[str, ...]] = {
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("", "_sum", "_count"),
    "gaugehistogram": (),
}
_OPENMETRICS_SUFFIX: Mapping[Kind, str] = {"counter": "_total", "info": "_info"}


class _Meta(msgspec.Struct):
    """What was said of a name. rows: where its samples go, if it was the first to have them."""

    kind: Kind | None = None
    help: str = ""
    unit: str = ""
    rows: list[Row] | None = None


class TextFamily(msgspec.Struct):
    """One family of a text. name: as in text format 0.0.4."""

    name: str
    kind: Kind
    meta: _Meta
    rows: list[Row]


class TextFamilies:
    """The families of one text. `rows_of`: a sample's name -> where its rows go."""

    def __init__(self, *, openmetrics: bool) -> None:
        self.rows_of: dict[str, list[Row]] = {}
        self._openmetrics = openmetrics
        self._families: list[TextFamily] = []
        self._metas: dict[str, _Meta] = {}
        self._nowhere: dict[str, list[Row]] = {}

    def families(self) -> list[TextFamily]:
        """Those that have samples, in the order in which they were said."""
        return [family for family in self._families if family.rows]

    def nowhere(self) -> list[Row]:
        """The samples that went nowhere."""
        return [row for rows in self._nowhere.values() for row in rows]

    def refused(self) -> Counter[str]:
        """How many samples went nowhere, by reason."""
        return Counter({why: len(rows) for why, rows in self._nowhere.items() if why != _NO_LOSS and rows})

    def say_help(self, name: str, text: str) -> None:
        """The first one stays."""
        meta = self._meta(name)
        meta.help = meta.help or text[:_MAX_HELP_CHARS]

    def say_unit(self, name: str, unit: str) -> None:
        """The first one stays."""
        meta = self._meta(name)
        meta.unit = meta.unit or metric_name(unit)

    def say_type(self, name: str, kind: Kind) -> None:
        """From here on samples of `name` are of this kind, if nothing else was said or sent before."""
        meta = self._meta(name)
        if meta.kind is None:
            meta.kind = kind
            names = self._names(name, kind)
            if not any(one in self.rows_of for one in names):
                if names:
                    meta.rows = self._begin(self._shown(name, kind), kind, meta)
                    self.rows_of.update(dict.fromkeys(names, meta.rows))
                return
        is_first = meta.kind == kind and meta.rows is not None
        rows = meta.rows if is_first and meta.rows is not None else self._away("type_differs")
        for one in {*self._names(name, meta.kind), *self._names(name, kind)}:
            before = self.rows_of.get(one)
            if before is None or before is meta.rows or any(before is away for away in self._nowhere.values()):
                self.rows_of[one] = rows

    def rows_of_new(self, name: str) -> list[Row]:
        """Where samples go that no TYPE line has spoken of. Raises UnreadableError where it is no name."""
        if _IS_NAME.fullmatch(name) is None:
            raise UnreadableError("malformed")
        meta = self._meta(name)
        if meta.kind is not None and self._names(name, meta.kind):
            rows = self._away("type_differs")  # the bare name of a histogram
        else:
            rows = self._begin(name, "unknown", meta)
        self.rows_of[name] = rows
        return rows

    def _meta(self, name: str) -> _Meta:
        meta = self._metas.get(name)
        if meta is None:
            meta = self._metas[name] = _Meta()
        return meta

    def _begin(self, name: str, kind: Kind, meta: _Meta) -> list[Row]:
        if len(name) > MAX_NAME_CHARS:
            return self._away("too_long")
        if name.endswith(_CREATED) and self._is_created(name.removesuffix(_CREATED)):
            return self._away(_NO_LOSS)
        family = TextFamily(name, kind, meta, [])
        self._families.append(family)
        return family.rows

    def _is_created(self, base: str) -> bool:
        """Whether `base` counts, so that its `_created` says since when (in text 0.0.4 a gauge of its own)."""
        metas = (self._metas.get(base), self._metas.get(f"{base}_total"))
        return any(meta is not None and meta.kind in _HAVE_CREATED for meta in metas)

    def _away(self, reason: str) -> list[Row]:
        return self._nowhere.setdefault(reason, [])

    def _names(self, name: str, kind: Kind) -> tuple[str, ...]:
        """What the samples of a family are called."""
        if self._openmetrics and kind in _OPENMETRICS_SUFFIX:
            return (name + _OPENMETRICS_SUFFIX[kind],)
        suffixes = _SUFFIXES.get(kind)
        return (name,) if suffixes is None else tuple([name + suffix for suffix in suffixes])

    def _shown(self, name: str, kind: Kind) -> str:
        """The family's name in text format 0.0.4."""
        return name + _OPENMETRICS_SUFFIX.get(kind, "") if self._openmetrics else name
