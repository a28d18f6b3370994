"""Events as a table of states: which lines start one, and which go on with it as it stands. And JSON that is spread over lines.

Room: aggregator core. Never enters: slices, offsets. A line that no rule takes is an event by itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aggregator.core.multiline import Scanned
from aggregator.core.multiline_lines import LinePattern, any_of
from aggregator.core.multiline_scan import LONGEST_LINE_BYTES, Limits

START = "start"
_LINE_FEED = b"\n"
_FEEDS = re.compile(rb"\n")
_RUN_BYTES = 16 * 1024  # of lines that are taken at a time: a cut that comes soon makes the rest be looked at again
_OBJECT = r"^[ \t]*\{"
# Up to the next bracket or line end; strings are passed over, and one that is not closed ends with its line.
_BRACKET = re.compile(rb'(?:[^"{}\[\]\n]|"(?:[^"\\\n]|\\[^\n])*+"?)*+([{}\[\]\n])')
_SINGLE_OBJECTS = re.compile(
    rb'(?:\{(?:[^"{}\n]|"(?:[^"\\\n]|\\[^\n])*+"|\{(?:[^"{}\n]|"(?:[^"\\\n]|\\[^\n])*+")*+\})*+\}\r?\n)++'
)


@dataclass(frozen=True, slots=True)
class Rule:
    """In one of the states `sources`, a line in which the pattern is found goes on with the event, whose state is `to` then."""

    sources: tuple[str, ...]
    pattern: LinePattern
    to: str


class _Step(NamedTuple):
    pattern: LinePattern
    to: str
    repeats: bool  # lines like this may be taken many at a time


class _Event(NamedTuple):
    """From where it begins: its end, whether more may follow, and why it was cut."""

    end: int
    is_open: bool
    reason: str = ""


class TableScanner:
    """Rules in their order: the first that takes a line decides."""

    def __init__(self, rules: Sequence[Rule], limits: Limits, *, joins_json: bool = False) -> None:
        self._limits = limits
        self._steps = _steps_by_state(rules)
        self._starts = [(rule.pattern, rule.to) for rule in rules if START in rule.sources]
        self._rests = [(rule.pattern, rule.to) for rule in rules if _is_rest(rule)]
        self._entries = [*self._starts, *self._rests]
        self._object = LinePattern(_OBJECT, is_ours=True) if joins_json else None
        known = [pattern for pattern, _ in self._entries] + ([self._object] if self._object else [])
        self._find_entry = any_of(known)

    def scan(self, text: bytes, *, final: bool) -> Scanned:
        stop = len(text) if final else self._limits.known(text)
        found, cuts, at, joins = list[tuple[int, int]](), dict[int, str](), 0, False
        while at < stop:
            plain_end = self._next_entry(text, at, stop)
            if plain_end > at:
                found += self._plain(text, at, plain_end, cuts)
                at = plain_end
                continue
            event = self._event(text, at, stop)
            if event.is_open and not final:
                break
            found.append((at, -1))
            if event.reason:
                cuts[at] = event.reason
            joins = joins or text.find(_LINE_FEED, at, event.end - 1) >= 0
            at = event.end
        starts = [start for begin, end in found for start in _starts_in(text, begin, end)] if joins or cuts else None
        return Scanned(starts, len(text) if final else at, cuts)

    def goes_on(self, text: bytes) -> bool:
        stop = text.find(_LINE_FEED) + 1 or len(text)
        return not _any_in(self._starts, text, stop) and _any_in(self._rests, text, stop)

    def _next_entry(self, text: bytes, at: int, stop: int) -> int:
        """The first line from `at` on that more than itself may belong to."""
        if (
            self._object is not None
            and not self._entries
            and (run := _SINGLE_OBJECTS.match(text, at, stop)) is not None
        ):
            return run.end()
        found = self._find_entry(text, at, stop)
        return stop if found is None else max(at, text.rfind(_LINE_FEED, at, found.start()) + 1)

    def _plain(self, text: bytes, begin: int, end: int, cuts: dict[int, str]) -> list[tuple[int, int]]:
        """Runs of lines that are events by themselves."""
        if end - begin <= LONGEST_LINE_BYTES:
            return [(begin, end)]
        runs, at = list[tuple[int, int]](), begin
        while at < end:
            limit, reason = self._limits.end(text, at, text.find(_LINE_FEED, at, end) + 1 or end)
            if reason:
                cuts[at] = reason
            runs.append((at, limit))
            at = limit
        return runs

    def _entered(self, text: bytes, at: int, stop: int) -> str | None:
        """The state after an event's first line."""
        return next((to for pattern, to in self._entries if pattern.one(text, at, stop)), None)

    def _event(self, text: bytes, begin: int, stop: int) -> _Event:
        first_end = text.find(_LINE_FEED, begin, stop) + 1 or stop
        limit = self._limits.end_by_bytes(text, begin, stop)
        if limit < first_end:
            return _Event(limit, False, "bytes")
        state = self._entered(text, begin, first_end)
        if state is None:
            return self._of_object(text, begin, (limit, stop)) if self._object else _Event(first_end, False)
        at, lines = first_end, 1
        while at < stop:
            taken = self._taken(text, at, (min(limit, at + _RUN_BYTES), stop), state)
            if taken is None:
                return _Event(at, False)
            end, state = taken
            if end > limit:
                return _Event(at, False, "bytes")
            lines += text.count(_LINE_FEED, at, end)
            if lines > self._limits.max_lines:
                return _Event(self._limits.end(text, begin, end)[0], False, "lines")
            at = end
        return _Event(at, state in self._steps)

    def _taken(self, text: bytes, at: int, bounds: tuple[int, int], state: str) -> tuple[int, str] | None:
        """How far the event goes on, and its state then; None where it ends. Past the limit where a line would be over it."""
        limit, stop = bounds
        for pattern, to, repeats in self._steps.get(state, ()):
            if repeats and (run := pattern.many(text, at, limit)) is not None:
                return run.end(), to
            if (found := pattern.one(text, at, stop)) is not None:
                return found.end(), to
        return None

    def _of_object(self, text: bytes, begin: int, bounds: tuple[int, int]) -> _Event:
        """Up to the line in which all brackets are closed. An object that begins before that at a line's start begins anew."""
        limit, stop = bounds
        depth, lines, place = 0, 0, begin
        while (found := _BRACKET.match(text, place, stop)) is not None:
            bracket, place = found[1], found.end()
            if place > limit:
                return _Event(limit, False, "bytes")
            if bracket != _LINE_FEED:
                depth += 1 if bracket in b"{[" else -1
                continue
            lines += 1
            if depth <= 0 or text.startswith(b"{", place, stop):
                return _Event(place, False)
            if lines == self._limits.max_lines and place < stop:
                return _Event(place, False, "lines")
        return _Event(stop, depth > 0) if limit == stop else _Event(limit, False, "bytes")


def _steps_by_state(rules: Sequence[Rule]) -> Mapping[str, Sequence[_Step]]:
    steps: dict[str, list[_Step]] = {}
    for rule in rules:
        for source in rule.sources:
            if source != START:
                known = steps.setdefault(source, [])
                # Many at a time only where no rule before it could have taken one of them elsewhere.
                known.append(_Step(rule.pattern, rule.to, rule.to == source and not known))
    return steps


def _is_rest(rule: Rule) -> bool:
    """Whether lines of it are kept together where no event is open: what follows a cut. Of states that stay as they are, by lines of some text."""
    return rule.to in rule.sources and rule.pattern.one(_LINE_FEED, 0, 1) is None


def _starts_in(text: bytes, begin: int, end: int) -> Iterable[int]:
    """Where lines begin in a run; of an event (`end` below 0) it is one place."""
    return (begin,) if end < 0 else (begin, *(feed.end() for feed in _FEEDS.finditer(text, begin, end - 1)))


def _any_in(entries: Sequence[tuple[LinePattern, str]], text: bytes, stop: int) -> bool:
    return any(pattern.one(text, 0, stop) for pattern, _ in entries)
