"""What rules have counted so far: totals by series, as the journal remembers them, as they are shown and as destinations are told.

Room: aggregator core. Never enters: lines, clocks (`now` is passed in), randomness (`run`, a name that was never used, is too), journals.

Totals move in two steps. `move` says what they become, for the transaction that settles the batch; until `settle`, the old ones stand and
are shown: a counter that was shown and then, after a crash, went on below that would read as reset, and be counted twice by who reads it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from aggregator.core.exposition_lines import label_text, number
from aggregator.core.log_metrics import Increment, Increments, Rule, SeriesKey
from aggregator.core.log_room import Room
from aggregator.core.log_totals import (
    Life,
    Total,
    added,
    life_key,
    memo_key,
    recalled,
    rows_of,
    text_of_life,
    text_of_total,
)
from aggregator.core.series import Row, SeriesFamily
from towline.wire.identity import Pod

REFUSED = SeriesFamily(
    name="towline_log_metrics_refused_lines_total",
    kind="counter",
    source="logs",
    help="Lines that matched a rule and are in no series of it, by reason, since the aggregator's start.",
)
_LEAST_SWEEP_SECONDS = 1.0


class Standing(NamedTuple):
    """Where all series of one owner stand: rules, labels, totals, in any order. changes: how many there were, so that it is known what was told."""

    identity: str
    life: Life
    changes: int
    totals: tuple[tuple[Rule, str, Total], ...]


class _Owner(msgspec.Struct):
    """Whoever has a series. told_changes: of `changes`, those that destinations know; None where none is to be told."""

    life: Life
    heard_at: float
    changes: int = 0
    told_changes: int | None = None

    @property
    def is_told(self) -> bool:
        return self.told_changes is None or self.told_changes == self.changes


class _Move:
    """What a batch makes of the totals, not settled yet. beside: what the journal is told with it."""

    def __init__(self, refused: Counter[str], now: float, beside: Mapping[str, str]) -> None:
        self.totals: dict[SeriesKey, Total] = {}
        self.lives: dict[str, Life] = {}
        self.refused = Counter(refused)
        self.now = now
        self.beside = dict(beside)


class LogSeries:
    """All series of all rules of one sink.

    max_series: of all together; lines for further ones are refused. expire_seconds: whose lines have not come for so long, their series end.
    tells: destinations are told of totals. Nothing ends then before they know of it.
    """

    def __init__(self, sink: str, rules: Iterable[Rule], max_series: int, expire_seconds: float) -> None:
        self._sink = sink
        self._rules = {rule.name: rule for rule in rules}
        self._max_series, self._expire_seconds = max_series, expire_seconds
        self.tells = False
        self._totals: dict[SeriesKey, Total] = {}  # as settled
        self._move: _Move | None = None
        self._rows: dict[str, dict[SeriesKey, tuple[Row, ...]]] = {rule: {} for rule in self._rules}
        self._room = Room()
        self._owners: dict[str, _Owner] = {}
        self._unwritten: dict[
            str, str
        ] = {}  # what the journal is to be told beside what a batch moves; "" is forgotten
        self._swept_at = -math.inf
        self._shown: dict[str, SeriesFamily] = {}  # by rule, until one of its series moves
        self._refused: Counter[str] = Counter()

    def recall(self, memo: Mapping[str, str], now: float, run: str) -> None:
        """Take back what the journal remembers. Time that nothing ran is not time that nobody spoke."""
        found = recalled(memo, self._rules)
        self._unwritten = dict.fromkeys(found.unwanted, "")
        for key, total in found.totals.items():
            self._room.take(key)
            self._put(key, total)
        for identity, life in found.lives.items():
            # Of what was counted while nobody was told, nobody is told later: it would all come at once.
            known = Life(run if self.tells else "", is_whole=False, pod=life.pod)
            goes_on = bool(life.run) == self.tells
            self._owners[identity] = self._owner(life if goes_on else known, now)
            if not goes_on:
                self._unwritten[life_key(identity)] = text_of_life(known)

    def move(self, increments: Increments, now: float, run: str) -> dict[str, str]:
        """Add to the totals: what is to be remembered in the transaction that settles these lines. "" is forgotten.

        Either `settle` or `drop` comes before the next move.
        """
        if now - self._swept_at >= max(_LEAST_SWEEP_SECONDS, self._expire_seconds / 10):
            self._swept_at = now
            self._end_silent(now)
        move = self._move = _Move(increments.refused, now, self._unwritten)
        for key, increment in increments.series.items():
            self._add(move, key, increment)
        owners = {key.identity for key in move.totals}
        for identity, pod in increments.heard.items():
            self._hear(move, identity, pod, run if identity in owners else None)
        memo = move.beside | {life_key(identity): text_of_life(life) for identity, life in move.lives.items()}
        return memo | {memo_key(key): text_of_total(self._rules[key.rule], it) for key, it in move.totals.items()}

    def settle(self) -> None:
        """What was moved is settled: it stands, and is shown."""
        move, self._move = self._move, None
        if move is None:
            return
        for identity, life in move.lives.items():
            owner = self._owners.setdefault(identity, self._owner(life, move.now))
            owner.life = life
        for key, total in move.totals.items():
            self._put(key, total)
            self._owners[key.identity].changes += 1
        self._refused += move.refused
        self.written(move.beside)

    def drop(self) -> None:
        """What was moved is not settled, and its lines come again: nothing of it stands."""
        move, self._move = self._move, None
        if move is not None:
            for key in move.totals.keys() - self._totals.keys():
                self._room.leave(key)

    def families(self, now: float) -> list[SeriesFamily]:
        """What is settled, a family for each rule that has counted, and what was refused. Labels hold the identity too.

        A family that has not changed is the same object.
        """
        self.sweep(now)
        families = [self._shown.get(name) or self._family(rule) for name, rule in self._rules.items()]
        if self._refused:
            counts = sorted(self._refused.items())
            labels = (label_text({"reason": reason, "sink": self._sink}) for reason, _ in counts)
            rows = tuple(
                Row(REFUSED.name, text, number(count)) for text, (_, count) in zip(labels, counts, strict=True)
            )
            families.append(msgspec.structs.replace(REFUSED, rows=rows))
        return [family for family in families if family.rows]

    def sweep(self, now: float) -> None:
        """End what has been silent for too long. Not while a batch is under way: what it moves must not end meanwhile."""
        if self._move is None:
            self._end_silent(now)

    def unwritten(self) -> Mapping[str, str] | None:
        """What the journal may be told apart from any batch; None while one is under way, which may say otherwise. `written` follows."""
        return dict(self._unwritten) if self._move is None else None

    def written(self, memo: Mapping[str, str]) -> None:
        """The journal was told."""
        self._unwritten = {key: text for key, text in self._unwritten.items() if memo.get(key) != text}

    def owners(self) -> list[str]:
        """Whoever has a series."""
        return list(self._owners)

    def standing(self, identity: str) -> Standing | None:
        """Where an owner's series stand, as settled; None where it has none any more."""
        owner = self._owners.get(identity)
        if owner is None:
            return None
        found = ((key, self._totals.get(key)) for key in self._room.all_of(identity))
        totals = tuple([(self._rules[key.rule], key.labels, total) for key, total in found if total is not None])
        return Standing(identity, owner.life, owner.changes, totals)

    def told(self, standing: Standing) -> None:
        """Destinations will know of this, whatever happens."""
        owner = self._owners.get(standing.identity)
        if owner is not None and owner.life.run == standing.life.run:
            owner.told_changes = standing.changes

    def __len__(self) -> int:
        return len(self._totals)

    def _owner(self, life: Life, now: float) -> _Owner:
        return _Owner(life, now, told_changes=-1 if self.tells else None)

    def _family(self, rule: Rule) -> SeriesFamily:
        rows = tuple(row for rows in self._rows[rule.name].values() for row in rows)
        family = self._shown[rule.name] = SeriesFamily(
            name=rule.name, kind=rule.type, help=rule.help, source="logs", rows=rows
        )
        return family

    def _put(self, key: SeriesKey, total: Total) -> None:
        self._totals[key] = total
        self._rows[key.rule][key] = rows_of(self._rules[key.rule], key, total)
        self._shown.pop(key.rule, None)

    def _add(self, move: _Move, wanted: SeriesKey, increment: Increment) -> None:
        key = self._key_with_room(wanted, increment.other)
        if key is None:
            move.refused["max_series"] += increment.lines
            return
        before = move.totals.get(key) or self._totals.get(key)
        after = added(self._rules[key.rule], before, increment)
        if not math.isfinite(after.value):
            move.refused["total_too_large"] += increment.lines
            return
        self._room.take(key)
        move.totals[key] = after

    def _key_with_room(self, key: SeriesKey, other: str) -> SeriesKey | None:
        """The series itself, or the one for what has no room, or None where there is no room for that either."""
        if self._room.has(key):
            return key
        if self._room.of(key) >= self._rules[key.rule].max_series:
            key = key._replace(labels=other)
        return key if self._room.has(key) or self._room.used < self._max_series else None

    def _hear(self, move: _Move, identity: str, pod: Pod, run: str | None) -> None:
        """Lines of an owner came. run: of a life that begins with them; None where they made no series."""
        owner = self._owners.get(identity)
        if owner is not None:
            owner.heard_at = move.now
            if owner.life.pod != pod:
                move.lives[identity] = msgspec.structs.replace(owner.life, pod=pod)
        elif run is not None:
            move.lives[identity] = Life(run if self.tells else "", self.tells, pod)

    def _end_silent(self, now: float) -> None:
        latest = now - self._expire_seconds
        for identity in [one for one, it in self._owners.items() if it.heard_at <= latest and it.is_told]:
            for key in self._room.all_of(identity):
                del self._totals[key]
                del self._rows[key.rule][key]
                self._shown.pop(key.rule, None)
                self._room.leave(key)
                self._unwritten[memo_key(key)] = ""
            del self._owners[identity]
            self._unwritten[life_key(identity)] = ""
