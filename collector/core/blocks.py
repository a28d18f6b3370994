"""Where a block ends: at the last line end of what was read; a line without an end waits, but not for ever.

Room: core. Never enters: files, clocks (`now` is passed in). The bytes are never changed: CRLF, BOM and rubbish stay as they are.
"""

from dataclasses import dataclass

from collector.core.files import ReadResult

PARTIAL_LINE_SECONDS = 3.0
LONGEST_LETTER_BYTES = 4  # of UTF-8
LINE_ENDS = {"utf-16le": b"\n\0", "utf-16be": b"\0\n"}


@dataclass(frozen=True, slots=True)
class Cut:
    """What to ship of a read: its first `size_bytes`, 0 for nothing yet.

    `partial`: the last line goes on. `continues`: the first line began before. `due_at`: when what is held back will be
    shipped as it is, if nothing more is written; None where nothing is held back.
    """

    size_bytes: int
    partial: bool = False
    continues: bool = False
    due_at: float | None = None


class BlockCutter:
    """Sans-IO: the same bytes give the same lines, however they were cut into reads. One per stream: it times the unfinished line."""

    def __init__(self, encoding: str = "utf-8", partial_line_seconds: float = PARTIAL_LINE_SECONDS) -> None:
        self._line_end = LINE_ENDS.get(encoding, b"\n")
        self._patience_seconds = partial_line_seconds
        self._waiting_at = -1  # offset of the unfinished line
        self._waiting_since = 0.0
        self._part_until = -1  # where the last block ended, if it ended inside a line

    def cut(self, read: ReadResult, now: float, *, hurry: bool = False) -> Cut:
        """Decide on one read. `hurry` (drain, the end of a file) ships an unfinished line as it is.

        A read that is not at the file's end and has no line end is one line longer than a block: it ships in parts.
        """
        cut = self._cut(read, now, hurry=hurry)
        if cut.size_bytes:
            self._part_until = read.offset + cut.size_bytes if cut.partial else -1
        return cut

    def _cut(self, read: ReadResult, now: float, *, hurry: bool) -> Cut:
        data, continues = read.data, self._is_inside_a_line(read)
        end = self._last_line_end(read.offset, data)
        if end == len(data):
            return Cut(end, continues=continues)
        if hurry and read.at_end:
            return Cut(len(data), partial=True, continues=continues)
        self._note(read.offset + end, now)
        due_at = self._waiting_since + self._patience_seconds
        if end:
            return Cut(end, continues=continues, due_at=due_at if read.at_end else None)
        if read.at_end and now < due_at:
            return Cut(0, due_at=due_at)
        return Cut(self._letters(read), partial=True, continues=continues)

    def _note(self, offset: int, now: float) -> None:
        if offset != self._waiting_at:
            self._waiting_at, self._waiting_since = offset, now

    def _is_inside_a_line(self, read: ReadResult) -> bool:
        """True if the byte before the read is no line end. A NUL there is a hole's, and a line begins after it: unless we cut there."""
        if read.offset == self._part_until:
            return True
        before = read.before[-len(self._line_end) :]
        return bool(before.strip(b"\0")) and before != self._line_end

    def _last_line_end(self, offset: int, data: bytes | bytearray) -> int:
        """How many bytes there are up to and with the last line end; 0 without one."""
        width = len(self._line_end)
        at = data.rfind(self._line_end)
        while at >= 0 and (offset + at) % width:
            at = data.rfind(self._line_end, 0, at + width - 1)  # the halves of two letters look like one
        return at + width if at >= 0 else 0

    def _letters(self, read: ReadResult) -> int:
        """All of an unfinished line but the letter that is cut at its end; all of it where that would be nothing."""
        data = read.data
        width = len(self._line_end)
        if width > 1:
            return (len(data) - (read.offset + len(data)) % width) or len(data)
        for back in range(1, min(LONGEST_LETTER_BYTES, len(data)) + 1):
            byte = data[-back]
            if byte & 0xC0 == 0x80:
                continue  # inside a letter: its first byte comes further back
            length = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return (len(data) - back) or len(data) if length > back else len(data)
        return len(data)
