"""Lines of one text, left as they came: cut apart only where somebody wants single ones.

Room: aggregator core. Never enters: vendors, sockets, clocks.

Making an object of every line costs more than unpacking the block does, and a sink that escapes or joins them all at once needs none.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

# What stands between lines that go on together. U+007F passes through JSON unescaped, is hardly ever logged, and is ASCII: a private-use
# character would make Python hold two bytes for each of the text's characters and copy them three times more (measured: three times the CPU).
SEPARATOR = b"\x7f"
_LINE_FEED = b"\n"
_GUESSED_BYTES = 256  # of one line: how far to look for the end of so many at a time


class Lines(Sequence[bytes]):
    """The lines of `text[begin:end]`, each ended by LF but perhaps the last. Parts share the text: none is copied before it is read."""

    __slots__ = ("_begin", "_count", "_end", "_guessed_bytes", "_joined", "_split", "_text")

    def __init__(self, text: bytes, begin: int = 0, end: int | None = None, count: int | None = None) -> None:
        """`count`: how many there are, where it is known."""
        self._text = text
        self._begin = begin
        self._end = len(text) if end is None else end
        self._count = count
        self._guessed_bytes = _GUESSED_BYTES
        self._joined: bytes | None = None
        self._split: list[bytes] | None = None

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> "Lines":
        """From single lines, none of which holds LF."""
        known = list(lines)
        made = cls(b"".join(line + _LINE_FEED for line in known), count=len(known))
        made._split = known
        return made

    def __len__(self) -> int:
        if self._count is None:
            feeds = self._text.count(_LINE_FEED, self._begin, self._end)
            self._count = feeds + (not self.is_ended)
        return self._count

    def __bool__(self) -> bool:
        return self._begin < self._end

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        return self._lines()[index]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._lines() == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to any sequence of the same lines, and those have none

    def __repr__(self) -> str:
        return f"Lines({self._lines()!r})"

    @property
    def is_ended(self) -> bool:
        """True where the last line has its LF; where there is no line, too."""
        return not self or self._text[self._end - 1] == _LINE_FEED[0]

    @property
    def span_bytes(self) -> int:
        """Bytes of all lines with their LFs: known without counting."""
        return self._end - self._begin

    @property
    def size_bytes(self) -> int:
        """Bytes of all lines without their LFs."""
        return self.span_bytes - len(self) + (not self.is_ended)

    def text(self) -> bytes:
        """All lines with LF between them, and none after the last."""
        return self._text[self._begin : self._end - (bool(self) and self.is_ended)]

    def joined(self) -> bytes:
        """All lines with SEPARATOR between them. A line may hold that, too."""
        return self.text().replace(_LINE_FEED, SEPARATOR) if self._joined is None else self._joined

    def first(self, count: int, span_bytes: int) -> "Lines":
        """The first lines, at most `count`, that end within `span_bytes`."""
        limit = min(self._end, self._begin + max(span_bytes, 0))
        at, left = self._begin, max(count, 0)
        while left and at < limit:
            stop = min(limit, at + left * self._guessed_bytes)
            # Among the first `left` line ends all but the last become something else: the one that is found is the last.
            marked = self._text[at:stop].replace(_LINE_FEED, SEPARATOR, left - 1)
            found = marked.find(_LINE_FEED)
            if found >= 0:
                head = Lines(self._text, self._begin, at + found + 1, count)
                head._joined = marked[:found] if at == self._begin else None
                return head
            left -= self._text.count(_LINE_FEED, at, stop)
            at = stop
        if left and limit < self._end:  # the last line may have been cut
            at = self._text.rfind(_LINE_FEED, self._begin, limit) + 1 or self._begin
        head = Lines(self._text, self._begin, at)
        head._count = max(count, 0) - left + (not head.is_ended)
        return head

    def after(self, first: "Lines") -> "Lines":
        """The lines behind `first`, which are this one's first."""
        begin = self._begin + first.span_bytes
        rest = Lines(self._text, begin, self._end, None if self._count is None else self._count - len(first))
        rest._guessed_bytes = first.span_bytes * 9 // (8 * len(first)) + 8 if first else self._guessed_bytes
        return rest

    def unread(self) -> "Lines":
        """The same lines, without what reading them has left behind."""
        return Lines(self._text, self._begin, self._end, self._count)

    def _lines(self) -> list[bytes]:
        if self._split is None:
            self._split = self._text[self._begin : self._end].split(_LINE_FEED)
            if self.is_ended:
                self._split.pop()
        return self._split
