"""What is known of single events of a block once a route asked for it: columns beside the lines, and events that hold line feeds.

Room: aggregator core. Never enters: rules, parsers, vendors. Columns are never changed in place: two sinks may hold the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple, overload

from aggregator.core.lines import SEPARATOR

Fields = Mapping[str, Any]
Notes = Mapping[str, str]

UNPARSED, CUT, TIME = "towline_unparsed", "towline_cut", "towline_time"  # what a note says, as destinations see it


class Count(NamedTuple):
    """What is counted of events beside being delivered: a kind from a closed list, and whose doing it was (a rule's or parser's name)."""

    kind: str  # dropped, unparsed, time_unparsed, cut
    by: str
    reason: str = ""


class Tally(dict[Count, int]):
    """How often each was met in a slice. Added up when the slice is settled."""

    def note(self, count: Count, events: int) -> None:
        if events:
            self[count] = self.get(count, 0) + events

    def with_all(self, other: Mapping[Count, int]) -> "Tally":
        both = Tally(self)
        for count, events in other.items():
            both.note(count, events)
        return both


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Columns of a slice, one value an event. `fields`: None where nothing was parsed; `levels`: "" unknown.

    `is_source`: the text of every event that has fields is the JSON object that these were read from, and nothing was changed since.
    """

    fields: Sequence[Fields | None]
    times_unix_ns: Sequence[int]
    levels: Sequence[str]
    notes: Sequence[Notes | None]
    is_source: bool = False

    def __len__(self) -> int:
        return len(self.fields)

    @classmethod
    def unknown(cls, events: int, read_unix_ns: int) -> "Details":
        """Of events that nobody has looked into."""
        return cls(
            fields=[None] * events, times_unix_ns=[read_unix_ns] * events, levels=[""] * events, notes=[None] * events
        )

    def cut(self, first: int, last: int) -> "Details":
        """Events `[first, last)`."""
        return self._of(lambda column: column[first:last])

    def kept(self, wanted: Sequence[object]) -> "Details":
        """Those events whose `wanted` is true."""
        return self._of(lambda column: list(compress(column, wanted)))

    def picked(self, indexes: Sequence[int]) -> "Details":
        """These events, in this order."""
        return self._of(lambda column: [column[index] for index in indexes])

    def _of(self, pick: Any) -> "Details":
        return Details(
            fields=pick(self.fields),
            times_unix_ns=pick(self.times_unix_ns),
            levels=pick(self.levels),
            notes=pick(self.notes),
            is_source=self.is_source,
        )


def joined(several: Sequence[Details]) -> Details:
    """One after the other."""
    return Details(
        fields=[value for one in several for value in one.fields],
        times_unix_ns=[value for one in several for value in one.times_unix_ns],
        levels=[value for one in several for value in one.levels],
        notes=[value for one in several for value in one.notes],
        is_source=all(one.is_source for one in several),
    )


class Texts(Sequence[bytes]):
    """Texts that may hold line feeds, or that are no longer what stands in the block: as `Lines`, but of single texts."""

    __slots__ = ("_texts",)

    is_ended = True

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = list(texts)

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        return self._texts[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._texts == list(other)

    __hash__ = None  # type: ignore[assignment]  # as Lines

    def __repr__(self) -> str:
        return f"Texts({self._texts!r})"

    @property
    def span_bytes(self) -> int:
        """As if each text were ended by LF."""
        return self.size_bytes + len(self._texts)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self._texts))

    def text(self) -> bytes:
        """All texts with LF between them: those that hold some cannot be told apart any more."""
        return b"\n".join(self._texts)

    def joined(self) -> bytes:
        """All texts with SEPARATOR between them."""
        return SEPARATOR.join(self._texts)

    def first(self, count: int, span_bytes: int) -> "Texts":
        """The first texts, at most `count`, that take no more than `span_bytes` with an LF each."""
        kept = 0
        for text in self._texts[: max(count, 0)]:
            span_bytes -= len(text) + 1
            if span_bytes < 0:
                break
            kept += 1
        return Texts(self._texts[:kept])

    def after(self, first: Sequence[bytes]) -> "Texts":
        return Texts(self._texts[len(first) :])

    def unread(self) -> "Texts":
        return self
