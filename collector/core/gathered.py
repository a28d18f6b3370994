"""What one source has to say in a snapshot, and how what several said, one after another, becomes one.

Room: collector core. Never enters: clocks, sockets, sequences (core/snapshot.py). The rules are in docs/design/metrics.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from towline.wire.snapshot import Distribution, Event, Family, Sample, Scrape, ServiceCheck, Stamped

MAX_KEPT = 1000  # events and checks, of each; beyond, the oldest go
MAX_STAMPED = 20_000
MAX_CHARS = 1 << 20  # of events, checks and stamped values, of each: all that waits is held in memory
STAMPED_CHARS = 100  # what a stamped value counts for beside its texts
_Series = TypeVar("_Series", Sample, Distribution)
_Said = TypeVar("_Said", Event, ServiceCheck, Stamped)


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """A source's part of a snapshot."""

    families: tuple[Family, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    stamped: tuple[Stamped, ...] = ()
    events: tuple[Event, ...] = ()
    checks: tuple[ServiceCheck, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.families or self.scrapes or self.stamped or self.events or self.checks)


NOTHING = Gathered()


@dataclass(slots=True)
class Merger:
    """Merges what gathers until a snapshot is frozen. `dropped`: what there was no room for, by what it was."""

    max_series: int
    dropped: Counter[str] = field(default_factory=Counter)

    def merge(self, older: Gathered, newer: Gathered) -> Gathered:
        """Both as one: of a series and of an endpoint the newer says everything, what happened is kept in order."""
        return Gathered(
            families=self._families(older.families, newer.families),
            scrapes=_by_endpoint((*older.scrapes, *newer.scrapes)),
            stamped=self._newest("stamped", older.stamped + newer.stamped, MAX_STAMPED),
            events=self._newest("events", older.events + newer.events, MAX_KEPT),
            checks=self._newest("checks", older.checks + newer.checks, MAX_KEPT),
        )

    def _families(self, older: Sequence[Family], newer: Sequence[Family]) -> tuple[Family, ...]:
        """A family that changed its type keeps only what it is now."""
        if not older:
            return self._bounded(newer)
        merged: dict[tuple[str, str], tuple[Family, dict[int, Sample], dict[int, Distribution]]] = {}
        room = self.max_series
        for family in (*newer, *older):
            latest, samples, distributions = merged.setdefault((family.source, family.name), (family, {}, {}))
            if family.type != latest.type:
                continue
            room = self._add(samples, family.samples, room)
            room = self._add(distributions, family.distributions, room)
        return tuple(
            msgspec.structs.replace(family, samples=tuple(samples.values()), distributions=tuple(spreads.values()))
            for family, samples, spreads in merged.values()
            if samples or spreads
        )

    def _bounded(self, families: Sequence[Family]) -> tuple[Family, ...]:
        """What one moment said, as far as there is room. No series is there twice: nothing is looked up for it."""
        room, kept = self.max_series, []
        for family in families:
            count = len(family.samples) + len(family.distributions)
            if count <= room:
                room -= count
                kept.append(family)
                continue
            self.dropped["series"] += count - room
            samples = family.samples[:room]
            spreads = family.distributions[: room - len(samples)]
            room = 0
            kept.append(msgspec.structs.replace(family, samples=samples, distributions=spreads))
        return tuple(family for family in kept if family.samples or family.distributions)

    def _add(self, known: dict[int, _Series], more: Iterable[_Series], room: int) -> int:
        for series in more:
            key = _key(series.labels)
            if key in known:
                continue
            if room == 0:
                self.dropped["series"] += 1
                continue
            known[key] = series
            room -= 1
        return room

    def _newest(self, kind: str, together: tuple[_Said, ...], limit: int) -> tuple[_Said, ...]:
        kept, room = 0, MAX_CHARS
        for said in reversed(together[-limit:]):
            room -= _chars(said)
            if room < 0:
                break
            kept += 1
        if kept < len(together):
            self.dropped[kind] += len(together) - kept
        return together[len(together) - kept :]


def _key(labels: Mapping[str, str]) -> int:
    """Equal label sets have equal keys; as tuples, those of ten thousand series would take megabytes."""
    return hash(frozenset(labels.items()))


def _chars(said: Event | ServiceCheck | Stamped) -> int:
    """How much text it holds."""
    if isinstance(said, Stamped):
        return STAMPED_CHARS + len(said.name) + sum(map(len, said.labels)) + sum(map(len, said.labels.values()))
    text = said.title + said.text if isinstance(said, Event) else said.name + said.message
    return len(text) + sum(map(len, said.tags))


def _by_endpoint(scrapes: Iterable[Scrape]) -> tuple[Scrape, ...]:
    return tuple({_key(scrape.labels): scrape for scrape in scrapes}.values())
