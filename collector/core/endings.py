"""How an epoch or a stream ends: truncated, with a copy or without; gone from its folder; read to the end after its unlinking.

Room: core. Never enters: open files, clocks (`now` is passed in).
"""

from collector.core.book import Book
from collector.core.files import Copied, Event, FileKey, Gone, Inherited, Missing, Truncated
from collector.core.following import Broken, Copy, Followed
from collector.core.naming import Naming
from collector.core.pressure import Level
from collector.core.twins import convinces

SEARCH_SECONDS = 2.0  # how long a file that went is looked for under other names before it is called missing
QUIET_SECONDS = 60.0  # how long a file that came to its end keeps its descriptor


class Endings:
    """Decides what becomes of a stream whose file is not what it was. Changes the book; returns what custody must know."""

    def __init__(self, book: Book, naming: Naming) -> None:
        self._book = book
        self._naming = naming

    def truncated(self, stream: Followed) -> list[Event]:
        """The file no longer holds what was read. A copy goes on as the epoch; without one the next epoch opens at once."""
        broken = stream.broken
        if broken is None:
            return []
        lost = max(0, broken.size - stream.offset)
        if stream.offset == 0 and (lost == 0 or self._twins(stream) or self._is_elsewhere(stream, broken)):
            stream.broken = None  # nothing was read of it, and a copy, if there is one, is a stream of its own
            return []
        carriers = self._book.find_carriers(stream)
        if not carriers and self._book.being_packed(stream):
            return []
        if carriers and carriers[0][0] > stream.offset:
            length, key = carriers[0]
            stream.broken, stream.lost_after = None, max(0, broken.size - length)
            return [self._inherit(stream, key, length, keep_home=True)]
        events = [self._copied(stream, key, length) for length, key in carriers] or self._name_twins(stream)
        return [*events, self._turn(stream, lost)]

    def drained(self, stream: Followed) -> list[Event]:
        """The rest of an epoch is read from a copy: at its end the next epoch opens."""
        if stream.offset < stream.size:
            return []
        self._book.copies[stream.key] = Copy(stream.stream_id, stream.epoch, stream.size, stream.packed)
        return [self._turn(stream, stream.lost_after)]

    def vanished(self, stream: Followed, now: float) -> list[Event]:
        """The file is in no watched folder any more, and not open: a copy goes on as it, or it is gone."""
        if stream.vanished_at is None:
            return []
        carriers = [] if stream.missing_said else self._book.find_carriers(stream)
        if carriers:
            length, key = carriers[0]
            stream.vanished_at = None
            return [self._inherit(stream, key, length, keep_home=stream.draining)]
        if now - stream.vanished_at < SEARCH_SECONDS or self._book.being_packed(stream):
            return []
        unread = max(0, stream.size - stream.offset)
        if stream.draining:
            return [self._turn(stream, unread + stream.lost_after)]
        events = [] if stream.missing_said else self._name_twins(stream)
        if not stream.missing_said and (unread or (stream.unproven and not stream.complete)):
            events.append(Missing(stream.stream_id, unread))
        stream.missing_said = True
        return [*events, *self._gone(stream)]

    def unlinked(self, stream: Followed, now: float, release_at: Level) -> list[Event]:
        """A file without a name is kept until its last byte is delivered (or stored) and nobody has written to it for a minute."""
        held = stream.position.delivered if release_at == "delivered" else stream.position.stored
        if held < stream.size or now - stream.changed_at < QUIET_SECONDS:
            return []
        stream.vanished_at, stream.missing_said = now, True
        return self._gone(stream)

    def _gone(self, stream: Followed) -> list[Event]:
        """A stream whose copies are still there is not gone: its row is what keeps them from being shipped again."""
        if self._book.has_copies(stream):
            return []
        self._book.forget(stream)
        return [Gone(stream.stream_id)]

    def _turn(self, stream: Followed, lost: int) -> Truncated:
        event = Truncated(stream.stream_id, stream.home, stream.epoch, lost)
        self._book.turn(stream)
        return event

    def _inherit(self, stream: Followed, key: FileKey, length: int, *, keep_home: bool) -> Inherited:
        alias, _ = self._naming.identify(self._book.candidates[key].seen)
        self._book.hand_over(stream, key, keep_home=keep_home)
        stream.size = length
        return Inherited(stream.stream_id, key, stream.origin, stream.epoch, stream.offset, alias, stream.head_bytes)

    def _is_elsewhere(self, stream: Followed, broken: Broken) -> bool:
        """True if a file of a rotated name, long enough and new, became a stream: without a position there is no better proof."""
        return any(
            other.since_round >= broken.round
            and other.size >= broken.size
            and other.path.startswith(stream.origin.path)
            for other in self._book.streams.values()
            if other is not stream
        )

    def _twins(self, stream: Followed) -> list[FileKey]:
        return [key for key in self._book.questions if self._book.candidates[key].twin == stream.stream_id]

    def _name_twins(self, stream: Followed) -> list[Event]:
        """Copies that are shorter than what was read since they were made."""
        twins = [self._book.candidates[key].seen for key in self._twins(stream)]
        return [
            self._copied(stream, seen.key, seen.size)
            for seen in twins
            if seen.size <= stream.offset and convinces(seen, stream)
        ]

    def _copied(self, stream: Followed, key: FileKey, length: int) -> Event:
        alias, _ = self._naming.identify(self._book.candidates[key].seen)
        self._book.copies[key] = Copy(stream.stream_id, stream.epoch, length, self._book.candidates[key].packed)
        self._book.drop_candidate(key)
        return Copied(stream.stream_id, stream.epoch, alias)
