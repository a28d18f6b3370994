"""Rules that drop events: by a condition, by a share, by a rate. And those that are only asked for some events.

Room: aggregator core. Never enters: clocks (events bring the time at which they were read), the options' spelling.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aggregator.core.columns import values_of
from aggregator.core.events import Count, Tally
from aggregator.core.log_fields import text_of
from aggregator.core.plan import Step, Where, merged
from aggregator.core.records import Slice
from aggregator.core.route import Binding, Rule

_HASHES = 1 << 64


@dataclass(frozen=True, slots=True)
class Chosen:
    """Events that meet a condition, or that do not: the others are dropped."""

    condition: Where
    label: str
    keeps: bool = True

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self

    def apply(self, piece: Slice) -> Slice:
        met = self.condition.met(piece)
        return kept(piece, met if self.keeps else [not one for one in met], self.label)


@dataclass(frozen=True, slots=True)
class Sample:
    """A share of the events, the same ones in every process: chosen by a hash of a field, else of the text and its place in its file."""

    rate: float
    by: str | None
    label: str

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self

    def apply(self, piece: Slice) -> Slice:
        limit = int(self.rate * _HASHES)
        return kept(piece, [_hash(key) < limit for key in self._keys(piece)], self.label)

    def _keys(self, piece: Slice) -> list[bytes]:
        own = [b"%d %b" % (end, text) for end, text in zip(piece.known_ends(), piece.lines, strict=True)]
        if self.by is None:
            return own
        said = map(text_of, values_of(piece, self.by))
        return [text.encode("utf-8", "replace") or alone for text, alone in zip(said, own, strict=True)]


@dataclass(frozen=True, slots=True)
class Sometimes:
    """A rule that is asked only for events that meet a condition; the others pass as they are."""

    condition: Where
    rule: Rule

    def bound(self, to: Binding) -> Step:
        return _SometimesStep(self.condition, self.rule.bound(to))


@dataclass(frozen=True, slots=True)
class _SometimesStep:
    condition: Where
    step: Step

    def apply(self, piece: Slice) -> Slice:
        met = self.condition.met(piece)
        if all(met):
            return self.step.apply(piece)
        if not any(met):
            return piece
        done = self.step.apply(replace(piece.kept(met), tally={}))
        untouched = piece.kept([not one for one in met])
        return replace(merged(piece, (done, untouched)), tally=Tally(piece.tally).with_all(done.tally))


def kept(piece: Slice, wanted: Sequence[bool], label: str) -> Slice:
    """The wanted events; the others are counted as dropped by the rule."""
    dropped = len(wanted) - sum(wanted)
    if not dropped:
        return piece
    tally = Tally(piece.tally)
    tally.note(Count("dropped", label), dropped)
    return replace(piece.kept(wanted), tally=tally)


def _hash(key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
