"""Lines that a regular expression takes apart.

Room: aggregator core. Never enters: which expressions there are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from aggregator.core.parsers_found import Rows, Source
from aggregator.core.parsers_types import Conversion
from aggregator.core.regexes import Regex


class PatternReader:
    """The first of several expressions that is found in a text.

    conversions: by group. left_out: groups that are looked at, but become no fields. skip_empty: so do those that matched nothing.
    """

    def __init__(
        self,
        patterns: Sequence[Regex],
        conversions: Mapping[str, Conversion],
        *,
        left_out: Iterable[str] = (),
        skip_empty: bool = False,
    ) -> None:
        self._patterns = patterns
        self._conversions = conversions
        self._left_out = frozenset(left_out)
        self._skip_empty = skip_empty

    def rows(self, source: Source) -> Rows:
        """The named groups of each text, those that took part in the match."""
        texts = source.texts()
        table, fits = self._table(self._patterns[0], texts)
        if len(self._patterns) > 1 and False in fits:
            table = self._with_others(table, fits, texts)
        names = tuple(table.columns)
        rows = _row_maker(names, self._left_out)(table.rows())
        for name in names:
            if None in table.columns[name] and name not in self._left_out:
                for row in rows:
                    if row[name] is None:
                        del row[name]
        return Rows(fields=rows, fits=fits if False in fits else None, columns=table.columns)

    def _table(self, pattern: Regex, texts: Sequence[str]) -> tuple["_Table", list[bool]]:
        """Values of those texts that fit, and which do."""
        groups = pattern.all_groups(texts)
        fits = [True] * len(groups)
        if None in groups:
            fits = [one is not None for one in groups]
        found = groups if all(fits) else [one for one in groups if one is not None]
        table = _Table(pattern.names, found)
        for name, column in table.columns.items():
            changed = [value or None for value in column] if self._skip_empty and "" in column else column
            if name in self._conversions:
                changed = self._conversions[name](changed)
            if changed is not column:
                table.change(name, changed)
        return table, fits

    def _with_others(self, table: "_Table", fits: list[bool], texts: Sequence[str]) -> "_Table":
        """The texts that the first pattern is not found in, by the others. Says in `fits` which do fit now."""
        for pattern in self._patterns[1:]:
            left = [index for index, fit in enumerate(fits) if not fit]
            other, found = self._table(pattern, [texts[index] for index in left])
            taken = dict(zip(left, found, strict=True))
            table = table.merged([(fit, taken.get(index, False)) for index, fit in enumerate(fits)], other)
            for index, fit in taken.items():
                fits[index] = fit
        return table


class _Table:
    """What was found: groups by row, as they came, and by column, which may be changed."""

    def __init__(self, names: Sequence[str], groups: Sequence[Any]) -> None:
        columns = zip(*groups, strict=True) if groups else ((),) * len(names)
        self.columns: dict[str, Sequence[Any]] = dict(zip(names, columns, strict=True))
        self._groups: Sequence[Any] | None = groups

    def rows(self) -> Iterable[Any]:
        """The values of each row, in the order of the columns."""
        return self._groups if self._groups is not None else zip(*self.columns.values(), strict=True)

    def change(self, name: str, column: Sequence[Any]) -> None:
        """Another column in the place of the one of this name."""
        self.columns[name] = column
        self._groups = None

    def merged(self, order: Sequence[tuple[bool, bool]], other: "_Table") -> "_Table":
        """With the rows of another. order: of each event, whether it is one of these, or of those. None where one has no such column."""
        merged = _Table((), ())
        for name in dict.fromkeys((*self.columns, *other.columns)):
            ours, theirs = iter(self.columns.get(name, ())), iter(other.columns.get(name, ()))
            merged.change(
                name, [next(ours if is_ours else theirs, None) for is_ours, is_theirs in order if is_ours or is_theirs]
            )
        return merged


@lru_cache(maxsize=1000)
def _row_maker(names: tuple[str, ...], left_out: frozenset[str]) -> Callable[[Iterable[Any]], list[dict[str, Any]]]:
    """What makes a dict of each row of these values. Written out: it takes half as long as dict(zip(names, values))."""
    values = ", ".join(f"v{at}" for at in range(len(names)))
    members = ", ".join(f"{name!r}: v{at}" for at, name in enumerate(names) if name not in left_out)
    code = f"lambda rows: [{{{members}}} for {values}, in rows]"
    made: Callable[[Iterable[Any]], list[dict[str, Any]]] = eval(code)  # noqa: S307 - as namedtuple does it: only names are said, each as repr quotes it
    return made
