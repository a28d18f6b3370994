"""One endpoint's text as it comes: checked, counted and compressed part by part. What is held is what came of it, never the text.

Room: collector source. Never enters: what the text says beyond how many lines it has, sockets.
"""

import asyncio
import mmap
from collections.abc import Callable
from typing import cast

from collector.connection import Answer
from collector.sources.scrape_options import ScrapeConfig
from towline.wire.codec import TextCompressor, compress

_TYPES = frozenset({"text/plain", "application/openmetrics-text", ""})
_OK = 200
NO_ROOM = "no_room"


class RefusedError(Exception):
    """No exposition. `reason` is from a closed list, statuses apart: it becomes a label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Text:
    """Takes parts until `end`. `grown` is told how much is held, up to `most_bytes`, and may `drop` this text or another."""

    def __init__(self, limits: ScrapeConfig, most_bytes: int, grown: Callable[[int], None]) -> None:
        self.content_type = ""
        self.length = 0  # of the text itself
        self._limits, self._grown = limits, grown
        self._first: bytes | None = None  # may be all there is: it is not compressed before more comes
        self._compressor: TextCompressor | None = None
        # Pages of its own, resident only as far as they are written, and given back at once: pieces that grow among others' leave malloc full of holes.
        self._made: mmap.mmap | None = mmap.mmap(-1, most_bytes)
        self._series = 0
        self.was_long = False  # it came in more than one part
        self._last = b"\n"

    async def take(self, part: Answer) -> None:
        """Take the next part of the answer. Raises RefusedError."""
        if self._first is None:
            self.content_type = _checked(part)
            self._count(part.body)
            self._first = part.body
            return
        self._count(part.body)
        if self._compressor is None:
            self._compressor, self.was_long = TextCompressor(), True
            await self._add(self._compressor.add, self._first)
            self._first = b""
        await self._add(self._compressor.add, part.body)

    async def end(self) -> None:
        """There are no more parts. Raises RefusedError."""
        if self._compressor is None:
            await self._add(compress, self._first or b"")
        else:
            compressor, self._compressor = self._compressor, None
            await self._add(lambda _: compressor.end(), b"")
        self._first = b""

    def drop(self) -> None:
        """There is no room for it."""
        self._first, self._compressor, self._made = b"", None, None

    def handed_over(self) -> bytes | None:
        """All that came of it, which is then no longer held here; None where it was dropped. A view: it is encoded without being copied before."""
        made, self._made = self._made, None
        return None if made is None else cast("bytes", memoryview(made)[: made.tell()])

    async def _add(self, make: Callable[[bytes], bytes], raw: bytes) -> None:
        # On a worker thread: nothing is compressed on the event loop.
        made = await asyncio.to_thread(make, raw)
        if self._made is not None:
            self._grown(self._made.tell() + len(made))
        if self._made is None:
            raise RefusedError(NO_ROOM)
        self._made.write(made)

    def _count(self, raw: bytes) -> None:
        """Lines that are no comments are series."""
        self.length += len(raw)
        comments = raw.count(b"\n#") + (self._last == b"\n" and raw.startswith(b"#"))
        self._series += raw.count(b"\n") - comments
        self._last = raw[-1:] or self._last
        if self._series > self._limits.max_series:
            raise RefusedError("too_many_series")


def _checked(answer: Answer) -> str:
    """The content type of an acceptable answer. Raises RefusedError."""
    if answer.status != _OK:
        raise RefusedError(f"status_{answer.status}")
    headers = answer.headers
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in _TYPES or headers.get("content-encoding"):
        raise RefusedError("not_text")
    return content_type
