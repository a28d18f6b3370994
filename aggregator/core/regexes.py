"""Regular expressions of users: searched in time linear in the text, whatever the text says.

Room: aggregator core. Never enters: sockets, clocks.

Python's `re` is fast with groups, and can hang. RE2 never hangs, and takes three times as long for groups. So `re` searches those texts for which it
is proven linear (regex/proof.py), RE2 all others; both find the same. What neither can do is refused. See docs/adr/0006-regular-expressions.md.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from aggregator.core.regex.printing import is_anchored, leading_run, python_text
from aggregator.core.regex.proof import ANY_TEXT, TextKind, is_linear
from aggregator.core.regex.replacing import filled, replacement_parts
from aggregator.core.regex.tree import Node, Ranges, has_places, parse
from aggregator.core.regex.wide import NotWideError, encoded, matches, re2_text_of, wide

MAX_PATTERN_CHARS = 10_000
Groups = tuple[str | None, ...]

_MAX_BLANKS = 3
# Kinds of texts, the wider the better, and what tells that a text is none of them.
_KINDS: Sequence[tuple[TextKind, tuple[str, ...]]] = (
    (ANY_TEXT, ()),
    (TextKind(one_line=True), ("\n",)),
    (TextKind(one_line=True, blanks=_MAX_BLANKS), ("\n", " " * (_MAX_BLANKS + 1))),
)
# How many characters RE2 may look at for all matches in one text: a pattern that looks far ahead for each match would look at the square of the text.
_MAX_LOOKED_AT = 1 << 32
_TOKENS = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\(\?<(?=[A-Za-z_])", re.DOTALL)
_POSIX_CLASS = re.compile(r"\[:\^?\w+:\]")
_ADVICE = "Use the syntax of Python's re; (?<name>...) is a named group, too"


class _Linear:
    """A pattern that `re` searches in linear time in texts without any of `signs`."""

    __slots__ = ("compiled", "search", "signs")

    def __init__(self, text: str, signs: tuple[str, ...], *, anchored: bool) -> None:
        self.compiled = re.compile(text, re.ASCII)
        self.signs = signs
        # A search would try at every place what can only match at the begin.
        self.search: Callable[[str], re.Match[str] | None] = self.compiled.match if anchored else self.compiled.search

    def takes(self, text: str) -> bool:
        return not any(sign in text for sign in self.signs)

    def takes_all(self, texts: Sequence[str]) -> bool:
        return not self.signs or self.takes("\0".join(texts))


class Regex:
    """A pattern. `names`: its named groups, in order. `least_chars`: no match is shorter. Safe to use from several threads.

    `wide_text`: the same for RE2, to be searched in many texts at once; "" where that says nothing of the single ones.
    """

    def __init__(self, pattern: str, read: Any, node: Node) -> None:
        """Raises ValueError where neither engine takes it."""
        self.pattern = pattern
        self.names: tuple[str, ...] = tuple(read.state.groupdict)
        self.least_chars: int = read.getwidth()[0]
        self._read, self._node = read, node
        self._numbers = tuple(read.state.groupdict.values())
        self._are_all_named = self._numbers == tuple(range(1, read.state.groups))
        run = leading_run(read)
        self._first = self._proven(python_text(read, run), every=False, unless_behind=run.ranges if run else ())
        self._wide = self._made_wide()
        self.wide_text = "" if self._wide is None or has_places(node) else re2_text_of(node)
        # To say whether there is a match RE2 is the faster one where `re` would look behind every place.
        self._quick = None if run and self._wide is not None else self._first

    def search(self, text: str) -> bool:
        """True if it is found anywhere in the text."""
        quick = self._quick
        if quick is None or (quick.signs and not quick.takes(text)):
            return self._finder.search(encoded(text)) is not None
        return quick.search(text) is not None

    def groups(self, text: str) -> Groups | None:
        """The named groups of the first match; None where there is none. A group that took no part is None."""
        first = self._first
        if first is None or (first.signs and not first.takes(text)):
            return self._wide_groups(text)
        found = first.search(text)
        return None if found is None else self._named(found)

    def all_groups(self, texts: Sequence[str]) -> list[Groups | None]:
        """`groups` of each text: cheaper for many of them at a time."""
        if self._first is None or not self._are_all_named or not self._first.takes_all(texts):
            return [self.groups(text) for text in texts]
        search = self._first.search
        return [found.groups() if (found := search(text)) is not None else None for text in texts]

    def sub(self, replacement: str, text: str) -> str:
        r"""The text with every match replaced. `replacement`: \1, \g<1> and \g<name> stand for groups.

        Where even RE2 would look too often at the same, all the rest of the text is replaced at once: never less than what matches.
        """
        parts = replacement_parts(replacement)
        every = self._every
        if every is None or not every.takes(text):
            return self._wide_sub(parts, text)
        return every.compiled.sub(lambda found: filled(parts, found), text)

    def fault_of(self, replacement: str) -> str:
        """What is wrong with a replacement for this pattern, and what to do; "" if nothing is."""
        known = {*map(str, range(1, self._read.state.groups)), *self.names}
        unknown = [part for part in replacement_parts(replacement)[1::2] if part not in known]
        return (
            f"the pattern has no group '{unknown[0]}'. Refer to one that it has, or write \\\\ for a backslash"
            if unknown
            else ""
        )

    def may_be_in(self, joined: bytes) -> bool:
        """False if no text of those that are joined here, as UTF-8, holds a match. Only of a pattern with `wide_text`."""
        return self._finder.search(joined) is not None

    @cached_property
    def _every(self) -> _Linear | None:
        return self._proven(python_text(self._read), every=True)

    @cached_property
    def _finder(self) -> Any:
        return wide(self._node, captures=False)

    def _proven(self, text: str, *, every: bool, unless_behind: Ranges = ()) -> _Linear | None:
        for kind, signs in _KINDS:
            if is_linear(self._node, kind, every=every, unless_behind=unless_behind):
                return _Linear(text, signs, anchored=is_anchored(self._read))
        return None

    def _made_wide(self) -> Any:
        """RE2's, or None where it cannot have it and nobody needs it."""
        try:
            return wide(self._node)
        except NotWideError as error:
            if self._first is not None and not self._first.signs and self._every is not None and not self._every.signs:
                return None
            raise ValueError(
                f"{error} are only supported where the search is sure to take linear time, and here it is not. "
                "Say what may stand there instead of what may not, or begin with ^ or a plain text"
            ) from error

    def _named(self, found: Any) -> tuple[Any, ...]:
        groups: tuple[Any, ...] = found.groups()
        return groups if self._are_all_named else tuple(groups[number - 1] for number in self._numbers)

    def _wide_groups(self, text: str) -> Groups | None:
        found = self._wide.search(encoded(text))
        if found is None:
            return None
        return tuple(None if part is None else part.decode("utf-8", "replace") for part in self._named(found))

    def _wide_sub(self, parts: Sequence[str], text: str) -> str:
        made, at, looked_at = [], 0, 0
        for found in matches(self._wide, text):
            begin, end = found.start(), found.end()
            made += [text[at:begin], filled(parts, found)]
            looked_at += len(text) - begin
            if looked_at > _MAX_LOOKED_AT:
                return "".join(made)
            at = end
        return "".join(made) + text[at:]


@lru_cache(maxsize=1000)
def compile_regex(pattern: str, *, ignore_case: bool = False) -> Regex:
    """Raises ValueError with what is wrong and what to do. Takes a few milliseconds."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"the pattern has more than {MAX_PATTERN_CHARS} characters. Use several")
    flags = re.ASCII | (re.IGNORECASE if ignore_case else 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of a `[` inside a class: here it stands for itself
            return Regex(pattern, *parse(_TOKENS.sub(_python_token, pattern), flags))
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}. {_ADVICE}") from error
    except (OverflowError, RecursionError) as error:
        raise ValueError("the pattern is nested too deeply, or a count in it is too large. Use several") from error


def _python_token(found: re.Match[str]) -> str:
    text = found[0]
    if text == "(?<":
        return "(?P<"
    posix = _POSIX_CLASS.search(text) if text.startswith("[") else None
    if posix:
        raise ValueError(f"{posix[0]} is not supported. Write its characters out, as in [A-Za-z]")
    return text
