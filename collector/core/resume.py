"""The first scan after a start: which file is which of the streams that the journal knows.

Room: core. Never enters: open files (a `Peek` is passed in), clocks (`now` is passed in).
"""

from collections.abc import Iterable, Mapping

import msgspec

from collector.core.book import Book
from collector.core.files import Event, FileKey, Opened, Position, Scan, Seen
from collector.core.following import Broken, Copy, Ended, Followed
from collector.core.naming import Naming
from collector.core.twins import GZIP_MAGIC, carries
from towline.wire.block import Row


class Resume:
    """Matches files to rows by instance. What it cannot match is treated as gone from its folder: then prints decide."""

    def __init__(self, book: Book, naming: Naming, rows: Iterable[Row]) -> None:
        self._book = book
        self._naming = naming
        self._newest: dict[str, Row] = {}
        self._rows = sorted(rows, key=lambda row: (row.stream, row.epoch))
        for row in self._rows:
            self._newest[row.stream] = row

    def match(self, now: float, scan: Scan, positions: Mapping[str, Position]) -> list[Event]:
        """Take up every stream of the rows, and of the positions that a checkpoint kept without a row."""
        self._naming.remember({*self._newest, *positions}, (row.head_bytes for row in self._rows))
        by_name = {self._naming.identify(seen)[0]: seen for seen in scan.files}
        self._remember_ended(by_name)
        events: list[Event] = []
        for name in sorted({*self._newest, *positions}):
            row = self._newest.get(name)
            position = _position(positions.get(name), row)
            if position is not None:
                events += self._take_up(name, row, position, by_name.get(name), now)
        return events

    def _take_up(self, name: str, row: Row | None, position: Position, seen: Seen | None, now: float) -> list[Event]:
        if seen is None and (row is None or row.gone):
            return []
        path = row.path if row is not None and row.path else seen.path if seen is not None else ""
        root = self._root_of(path) if seen is None else seen.key.root
        if root is None or self._naming.globs.excludes(path):
            return []  # its folder is not watched any more, or its name excluded by now
        over = (
            row is not None and row.final and not row.gone and row.epoch == position.epoch
        )  # its next epoch was not opened yet
        origin = self._naming.origin_at(path)
        key = FileKey(root, 0, None, name.encode()) if seen is None else seen.key  # no file has inode 0
        head_bytes = row.head_bytes if row is not None else self._naming.identify(seen)[1] if seen is not None else 0
        stream = Followed(
            stream_id=name,
            origin=origin,
            head_bytes=head_bytes,
            key=key,
            home=key,
            position=position,
            path=path,
            changed_at=now,
            resumed_at=position.offset,
            complete=over,
            broken=Broken(0, 0) if over else None,
            vanished_at=now if seen is None else None,
        )
        self._book.follow(stream)
        if seen is None or over:
            self._book.pending.add(name)
        if seen is None:
            return []
        return [Opened(name, key, origin, position.epoch, position.offset, head_bytes)]

    def _is_complete(self, row: Row) -> bool:
        """True if nothing can come after the row's mark: a later epoch exists, or the journal was told so."""
        return row.gone or row.final or row.epoch < self._newest[row.stream].epoch

    def _root_of(self, path: str) -> str | None:
        """The watched folder that a path lies in; for a row without one any: its print finds it."""
        globs = self._naming.globs
        return globs.root_over(path) if path else next(iter(globs.roots), None)

    def _remember_ended(self, by_name: Mapping[str, Seen]) -> None:
        """Contents that are complete, and files that are known to be copies of a part of them."""
        for row in self._rows:
            if self._is_complete(row):
                self._book.ended.append(Ended(row.stream, row.epoch, row.mark, row.print, row.path))
        for row in self._rows:
            for alias in row.aliases:
                seen = by_name.get(alias)
                if seen is not None and alias not in self._newest:
                    self._alias(row, seen, by_name.get(row.stream))

    def _alias(self, row: Row, copy: Seen, home: Seen | None) -> None:
        """A copy of a complete content is done with. One of a content that its own file lacks is where the rest may be: its print tells."""
        if self._is_complete(row) or (home is not None and carries(self._book.peek, home.key, row.mark, row.print)):
            packed = self._book.peek.head(copy.key, len(GZIP_MAGIC)) == GZIP_MAGIC
            self._book.copies[copy.key] = Copy(row.stream, row.epoch, copy.size, packed)


def _position(known: Position | None, row: Row | None) -> Position | None:
    """Where to go on: what custody says, and of the row what custody does not know."""
    if row is None:
        return known
    if known is None:
        return Position(row.epoch, row.mark, row.print or None, row.mark, row.delivered)
    if known.print is None and (known.epoch, known.offset) == (row.epoch, row.mark):
        return msgspec.structs.replace(known, print=row.print or None)
    return known
