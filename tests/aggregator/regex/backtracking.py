"""A backtracking matcher that counts: what an engine like `re` does for a pattern and a text, in the smallest steps.

It shares the tree with the proof, and nothing of the automaton or of the counting of ways.
"""

from aggregator.core.regex.tree import At, Atomic, Chars, Choice, Group, Look, Repeat, Row


class Backtracking:
    """`steps`: how often a character was held against a class."""

    def __init__(self, node, unless_behind=()):
        self.node = node
        self.unless_behind = unless_behind
        self.steps = 0

    def first(self, text, begin=0):
        """The first match as (begin, end), or None."""
        for at in range(begin, len(text) + 1):
            if at and holds(self.unless_behind, text[at - 1]):
                continue
            ends = []
            if self._match(self.node, text, at, lambda end, ends=ends: ends.append(end) or True):
                return at, ends[0]
        return None

    def every(self, text):
        """All matches, each behind the one before; after an empty one the search goes on one character further."""
        found, at = [], 0
        while at <= len(text) and (match := self.first(text, at)):
            found.append(match)
            at = match[1] + (match[0] == match[1])
        return found

    def _match(self, node, text, at, then):
        match node:
            case Chars(ranges):
                self.steps += 1
                return at < len(text) and holds(ranges, text[at]) and then(at + 1)
            case Row(parts):
                return self._row(parts, text, at, then)
            case Choice(parts):
                return any(self._match(part, text, at, then) for part in parts)
            case Group(body):
                return self._match(body, text, at, then)
            case At(place):
                return stands(place, text, at) and then(at)
            case Repeat():
                return self._repeat(node, text, at, then)
            case Look() | Atomic():
                raise NotImplementedError

    def _row(self, parts, text, at, then):
        if not parts:
            return then(at)
        return self._match(parts[0], text, at, lambda end: self._row(parts[1:], text, end, then))

    def _repeat(self, node, text, at, then, done=0):
        def again():
            if node.most is not None and done >= node.most:
                return False
            return self._match(
                node.body,
                text,
                at,
                lambda end: (end > at or done < node.least) and self._repeat(node, text, end, then, done + 1),
            )

        if done < node.least:
            return again()
        return again() or then(at) if node.greedy else then(at) or again()


def holds(ranges, character):
    return any(low <= ord(character) <= high for low, high in ranges)


def stands(place, text, at):
    match place:
        case "begin":
            return at == 0
        case "end":
            return at == len(text)
        case "line_begin":
            return at == 0 or text[at - 1] == "\n"
        case "line_end":
            return at == len(text) or text[at] == "\n"
    before, after = at > 0 and is_word(text[at - 1]), at < len(text) and is_word(text[at])
    return (before != after) == (place == "boundary")


def is_word(character):
    return character == "_" or (character.isascii() and character.isalnum())
