"""The families of one pod's snapshot, put together: one kind per name, each series once, no more than there is room for.

Room: aggregator core. Never enters: who said them (but for the order in which they come), other pods.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from aggregator.core.groups import COMPOUND, fitting
from aggregator.core.series import Kind, Row, SeriesFamily, Source, Spread


class _Named(msgspec.Struct):
    """All families of one name: the kind that was said first, and the series there are (known once there is a second family)."""

    kind: Kind
    families: dict[tuple[Source, str], tuple[SeriesFamily, list[Row], list[Spread]]]
    series: set[tuple[str, str]] | None = None


class PodFamilies:
    """What comes first has the first right to the room. `refused` counts what is left out, by reason."""

    def __init__(self, room: int, refused: Counter[str]) -> None:
        self.room = room
        self._refused = refused
        self._named: dict[str, _Named] = {}

    def families(self) -> Iterable[SeriesFamily]:
        """What is kept, families of one name side by side."""
        for named in self._named.values():
            for header, rows, spreads in named.families.values():
                yield msgspec.structs.replace(header, rows=tuple(rows), spreads=tuple(spreads))

    def add(self, header: SeriesFamily, rows: list[Row], spreads: Sequence[Spread] = ()) -> None:
        """Put sound rows into their family, as far as there is room."""
        if not rows:
            return
        named = self._named.get(header.name)
        if named is None:
            named = self._named[header.name] = _Named(header.kind, {})
        if named.kind != header.kind:
            self._refused["type_differs"] += len(rows)
            return
        new = self._new_rows(named, rows)
        kept = fitting(header.kind, new, self.room)
        self._refused["series_cap"] += len(new) - len(kept)
        # Each distribution's rows hold one last bucket, and only rows at the end have been cut off.
        whole = sum('le="+Inf"' in row.labels for row in kept) if spreads else len(kept)
        raw = header.raw if len(kept) == len(new) else header.raw[:whole]
        if not kept and not raw:
            return
        self.room -= len(kept)
        first, held, shown = named.families.setdefault((header.source, header.said), (header, [], []))
        held += kept
        shown += spreads[:whole]
        if first is not header or raw is not header.raw:
            raw = raw if first is header else (*first.raw, *raw)
            first = msgspec.structs.replace(first, raw=raw)
            named.families[header.source, header.said] = first, held, shown
        if named.series is not None:
            named.series.update((row.name, row.labels) for row in kept)

    def _new_rows(self, named: _Named, rows: list[Row]) -> list[Row]:
        """The rows that no other family of this name has. A histogram is new as a whole, or not at all."""
        if not named.families:
            return rows
        if named.series is None:
            named.series = {(row.name, row.labels) for _, held, _ in named.families.values() for row in held}
        new = [row for row in rows if (row.name, row.labels) not in named.series]
        if named.kind in COMPOUND and len(new) < len(rows):
            new = []
        self._refused["duplicate"] += len(rows) - len(new)
        return new
