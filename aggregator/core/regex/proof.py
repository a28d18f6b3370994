"""Whether a backtracking engine searches for a pattern in time linear in the text, whatever the text says.

Room: aggregator core. Never enters: engines, texts.

For each character of the text a backtracking engine does as many steps as there are ways through the pattern that read the text up to there, and that it tries.
This counts them: from each situation (the ways that are open, in the order in which they are tried) to the next, by every kind of character. If there
are finitely many situations, and none with more than MAX_WAYS, then a text of n characters costs at most MAX_WAYS * n steps. What cannot be
shown within the bounds is not proven: the answer errs to that side alone. See docs/adr/0006-regular-expressions.md.
"""

from dataclasses import dataclass, field

from aggregator.core.regex.automaton import DEAD_END, MATCH, Automaton, UnprovenError
from aggregator.core.regex.tree import MAX_CODE_POINT, Node, Ranges

MAX_WAYS = 40
MAX_SITUATIONS = 1500
MAX_STEPS_BETWEEN = 500  # that read nothing, from one reader to the next ones
_LINE_FEED, _BLANK = 10, 32

# Whether a way is one: for certain, if the text ends here, or if an assertion or an atomic group lets it pass.
_CERTAIN, _AT_END, _PERHAPS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TextKind:
    """Which texts are meant. one_line: those without LF. blanks: with at most so many blanks in a row; 0 is any number."""

    one_line: bool = False
    blanks: int = 0


ANY_TEXT = TextKind()


@dataclass(slots=True)
class _Ways:
    """How it may go on from a step: readers in order, each with whether it is certain to be reached. sure: there is a match, whatever follows."""

    readers: list[tuple[int, bool]] = field(default_factory=list)
    sure: bool = False
    steps: int = 0


@dataclass(frozen=True, slots=True)
class _Situation:
    """Before a character: who would read it, and whether that way is certain. searching: a match may begin here."""

    readers: tuple[tuple[int, bool], ...]
    blanks: int
    searching: bool


class _Proof:
    def __init__(self, node: Node, kind: TextKind, unless_behind: Ranges, *, every: bool) -> None:
        self._automaton = Automaton(node)
        self._steps = self._automaton.steps
        self._kind, self._every = kind, every
        self._letters = self._kinds_of_letters(unless_behind)
        self._behind = {letter for letter in self._letters if _holds(unless_behind, letter)}
        self._reads = [
            frozenset(letter for letter in self._letters if _holds(step.ranges or (), letter)) for step in self._steps
        ]
        self._known: dict[int, _Ways] = {}

    def check(self) -> None:
        """Raises UnprovenError."""
        first = self._walked(self._automaton.start, at_begin=True)
        open_ones = [_Situation(tuple(first.readers), 0, searching=self._every or not first.sure)]
        seen = set(open_ones)
        while open_ones:
            now = open_ones.pop()
            for letter in self._letters:
                blanks = now.blanks + 1 if self._kind.blanks and letter == _BLANK else 0
                if blanks > self._kind.blanks:
                    continue
                following = self._after(now, letter, blanks)
                if following not in seen:
                    seen.add(following)
                    open_ones.append(following)
            if len(seen) > MAX_SITUATIONS:
                raise UnprovenError

    def _after(self, now: _Situation, letter: int, blanks: int) -> _Situation:
        searching = now.searching
        begun = [
            (self._steps[reader].nexts[0], certain) for reader, certain in now.readers if letter in self._reads[reader]
        ]
        if searching and letter not in self._behind:
            begun.append((self._automaton.start, True))
        readers: list[tuple[int, bool]] = []
        for step, certain in begun:
            ways = self._ways(step)
            readers += ways.readers if certain else [(reader, False) for reader, _ in ways.readers]
            if len(readers) > MAX_WAYS:
                raise UnprovenError
            if ways.sure and certain and not self._every:  # what would be tried after it never is
                searching = False
                break
        return _Situation(tuple(readers), blanks, searching)

    def _ways(self, step: int) -> _Ways:
        known = self._known.get(step)
        if known is None:
            known = self._known[step] = self._walked(step, at_begin=False)
        return known

    def _walked(self, step: int, *, at_begin: bool) -> _Ways:
        ways = _Ways()
        self._walk(step, (at_begin, _CERTAIN), ways)
        # Whoever gets into such a loop reads on to the match's end, and that is all: no other way is tried, and what was read is not read again.
        ways.readers = [one for one in ways.readers if not self._is_tail(one[0]) and not self._is_endless(one[0])]
        return ways

    def _walk(self, at: int, so_far: tuple[bool, int], ways: _Ways) -> None:
        step, (at_begin, how) = self._steps[at], so_far
        if ways.sure or at == DEAD_END or (step.place == "begin" and not at_begin):
            return
        ways.steps += 1
        if len(ways.readers) > MAX_WAYS or ways.steps > MAX_STEPS_BETWEEN:
            raise UnprovenError
        if at == MATCH:
            ways.sure = how == _CERTAIN
        elif step.ranges is not None:
            ways.readers.append((at, how == _CERTAIN))
            ways.sure = how == _CERTAIN and self._is_endless(at)
        else:
            if step.place not in {"", "begin"}:
                how = max(how, _AT_END if step.place == "end" else _PERHAPS)
            for following in step.nexts:
                self._walk(following, (at_begin, how), ways)

    def _is_tail(self, reader: int) -> bool:
        """True of a loop that ends the pattern and takes all it can."""
        readers, ends = self._near(reader)
        return readers == [reader] and ends == [_CERTAIN] and self._prefers_reading(reader)

    def _is_endless(self, reader: int) -> bool:
        """True of a loop over all there is with nothing but the end behind it."""
        if len(self._reads[reader]) != len(self._letters):
            return False
        readers, ends = self._near(reader)
        return readers == [reader] and len(ends) == 1 and ends[0] != _PERHAPS

    def _prefers_reading(self, reader: int) -> bool:
        loop = self._steps[reader].nexts[0]
        return reader in self._steps[loop].nexts[:1]

    def _near(self, reader: int) -> tuple[list[int], list[int]]:
        """What stands behind a reader that is all of a loop's body; nothing where it is not, or where more than an end follows."""
        loop = self._steps[reader].nexts[0]
        nexts = self._steps[loop].nexts
        if len(nexts) != 2 or reader not in nexts:
            return [], []
        out, how = nexts[0] if nexts[1] == reader else nexts[1], _CERTAIN
        while out != MATCH:
            step = self._steps[out]
            if step.ranges is not None or len(step.nexts) != 1:
                return [], []
            if step.place:
                how = max(how, _AT_END if step.place == "end" else _PERHAPS)
            out = step.nexts[0]
        return [reader], [how]

    def _kinds_of_letters(self, more: Ranges) -> list[int]:
        """One code point of each kind: a kind is what no class of the pattern tells apart."""
        classes = list({step.ranges for step in self._steps if step.ranges is not None} | {more})
        edges = {0, _LINE_FEED, _LINE_FEED + 1, _BLANK, _BLANK + 1}
        edges.update(edge for ranges in classes for low, high in ranges for edge in (low, high + 1))
        kinds: dict[tuple[bool, ...], int] = {}
        for edge in sorted(edges - {MAX_CODE_POINT + 1}):
            kind = (edge == _LINE_FEED, edge == _BLANK, *(_holds(ranges, edge) for ranges in classes))
            kinds.setdefault(kind, edge)
        return [letter for letter in kinds.values() if letter != _LINE_FEED or not self._kind.one_line]


def is_linear(node: Node, kind: TextKind, *, every: bool = False, unless_behind: Ranges = ()) -> bool:
    """True if searching texts of this kind is proven to be linear; `every`: looking for all matches, each behind the one before.

    `unless_behind`: no match begins right behind one of these characters. Takes at most some hundreds of milliseconds, mostly a few.
    """
    try:
        _Proof(node, kind, unless_behind, every=every).check()
    except (UnprovenError, RecursionError):
        return False
    return True


def _holds(ranges: Ranges, code_point: int) -> bool:
    return any(low <= code_point <= high for low, high in ranges)
