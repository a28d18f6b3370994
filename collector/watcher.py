"""The collector's eyes: files, what they mean, what may be read of them. Everything that blocks is called on a worker thread.

Room: collector shell. It brings together sources/file_tail.py (does) and core/tail.py (decides).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from collector.config import CollectorConfig
from collector.core.blocks import BlockCutter
from collector.core.custody import Custody
from collector.core.files import Event, Gone, Inherited, Missing, Opened, ReadOrder, Truncated, Waiting
from collector.core.globs import Globs
from collector.core.tail import Tail
from collector.framing import Gathered, frame_of
from collector.sources.file_tail import POLL_SECONDS, SCAN_SECONDS, FileTail
from collector.sources.inotify import Inotify
from towline.wire.block import Row
from towline.wire.identity import Origin

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Watched:
    """What the configuration says of files."""

    logs: Sequence[tuple[str, Origin]]
    window_bytes: int
    partial_line_seconds: float


class Watcher:
    """Looks, reads, and wakes the loop when something changed."""

    def __init__(self, watched: Watched, pod_uid: str) -> None:
        self._watched, self._pod_uid = watched, pod_uid
        self._files = FileTail([pattern for pattern, _ in watched.logs])
        self._inotify = Inotify.open()
        self._folders: Mapping[str, int] = {}
        self._tail: Tail | None = None
        self._cutters: dict[str, BlockCutter] = {}
        self._nudge = asyncio.Event()
        self.partial_lines = 0
        self.changed = True  # something happened since the last look

    @property
    def roots(self) -> Sequence[str]:
        return tuple(Globs([pattern for pattern, _ in self._watched.logs]).roots)

    @property
    def scan_seconds(self) -> float:
        """How often to look although nothing was said: a scan is the truth, inotify only makes it quick."""
        return SCAN_SECONDS if self._inotify is not None and self._inotify.complete else POLL_SECONDS

    @property
    def refused(self) -> Mapping[str, int]:
        return self._files.counters

    # Waking.

    def nudge(self) -> None:
        """Wake whoever waits."""
        self._nudge.set()

    async def wait_for_change(self, seconds: float) -> None:
        """Return when something changed, when nudged, or after `seconds`. Armed only meanwhile: a pending flush is not woken again."""
        loop = asyncio.get_running_loop()
        if self._inotify is not None:
            self._inotify.arm(loop, self._wake)
        try:
            async with asyncio.timeout(seconds):
                await self._nudge.wait()
        except TimeoutError:
            pass
        finally:
            self._nudge.clear()
            if self._inotify is not None:
                self._inotify.disarm(loop)

    def _wake(self) -> None:
        self.changed = True
        self._nudge.set()

    # Looking.

    def hold(self) -> None:
        """Open what is there, so that it can be read later whatever becomes of its name."""
        self._files.scan()
        self._watch_folders()

    def begin(self, rows: Sequence[Row]) -> None:
        """Take a journal's rows as what an earlier life knew of the files. Later journals change positions, not files."""
        if self._tail is None:
            self._tail = Tail(self._pod_uid, self._watched.logs, self._files, rows)

    def look(self, custody: Custody, now: float) -> None:
        """Scan, and follow what became of the files."""
        if self._tail is None:
            return
        if self._inotify is not None:
            self._inotify.drain()
        self.changed = False
        scan = self._files.scan()
        positions = custody.positions()
        for event in self._tail.observe(now, scan, positions):
            custody.apply(event)
            _tell(event)
        self._files.keep_only(self._tail.needed(now, positions))
        self._watch_folders()

    def _watch_folders(self) -> None:
        folders = self._files.folders
        if self._inotify is not None and folders != self._folders:
            self._inotify.watch(folders)
            self._folders = dict(folders)

    # Reading.

    def orders(self, custody: Custody) -> list[ReadOrder]:
        """What may be read now."""
        return custody.orders(self._tail.size_of, self._watched.window_bytes) if self._tail is not None else []

    def read(self, custody: Custody, orders: Sequence[ReadOrder], now: float, *, draining: bool) -> list[Gathered]:
        """Read, cut and compress. Blocks; on the worker thread. Nothing of `custody` is changed here."""
        now_unix_ns = time.time_ns()
        gathered = []
        for order, result in zip(orders, self._files.read(orders), strict=True):
            stream = custody.streams[order.stream_id]
            if result.hole_bytes and not result.data:
                mark = self._files.print_at(order.key, order.offset + result.hole_bytes) or ""
                gathered.append(Gathered(order, result, hole_print=mark))
                continue
            cut = (
                self._cutter(stream.id, stream.origin.encoding).cut(result, now, hurry=draining)
                if result.data
                else None
            )
            frame = frame_of(stream, result, cut, now_unix_ns) if cut is not None and cut.size_bytes else None
            gathered.append(Gathered(order, result, frame))
        return gathered

    def load(self, custody: Custody, gathered: Sequence[Gathered]) -> bool:
        """Give custody what was read. True if there is more to read at once."""
        more = False
        for one in gathered:
            stream = custody.streams[one.order.stream_id]
            if not one.result.print_matches:
                if self._tail is not None:
                    self._tail.mismatched(stream.id)
                self.changed = True
            elif one.frame is not None:
                self.partial_lines += one.frame.partial
                stream.load(one.frame)
                more = more or not one.result.at_end
            elif one.hole_print or one.result.hole_bytes:
                custody.counters["hole_bytes"] += one.result.hole_bytes
                stream.skip(one.order.offset + one.result.hole_bytes, "hole", print_at_end=one.hole_print)
                more = True
        return more

    def _cutter(self, stream_id: str, encoding: str) -> BlockCutter:
        cutter = self._cutters.get(stream_id)
        if cutter is None:
            cutter = self._cutters[stream_id] = BlockCutter(encoding, self._watched.partial_line_seconds)
        return cutter

    def unstored_bytes(self, custody: Custody) -> dict[str, int]:
        """What is not stored yet, by path."""
        left: dict[str, int] = {}
        for stream in custody.streams.values():
            size = self._tail.size_of(stream.id) if self._tail is not None else 0
            beyond = max(0, size - stream.place) + sum(frame.end - frame.start for frame in stream.queue)
            if beyond:
                left[stream.origin.path] = left.get(stream.origin.path, 0) + beyond
        return left

    def close(self) -> None:
        self._files.close()
        if self._inotify is not None:
            self._inotify.close()


def open_watcher(config: CollectorConfig, pod_uid: str) -> Watcher:
    """The watcher of a configuration's log paths."""
    logs = [
        (
            log.path,
            Origin(
                path="",
                container=log.container,
                source=log.source,
                service=log.service,
                tags=log.tags,
                encoding=log.encoding,
            ),
        )
        for log in config.logs
    ]
    return Watcher(Watched(logs, config.window_bytes, config.partial_line_seconds), pod_uid)


def _tell(event: Event) -> None:
    """A change of state is worth a line; more than that is not."""
    match event:
        case Opened():
            _log.info("file_opened", path=event.origin.path, file_id=event.stream_id, offset=event.offset)
        case Inherited():
            _log.info("file_copy_followed", path=event.origin.path, file_id=event.stream_id, offset=event.offset)
        case Truncated():
            level = _log.warning if event.lost_bytes_at_least else _log.info
            level("file_truncated", file_id=event.stream_id, epoch=event.epoch, lost_bytes=event.lost_bytes_at_least)
        case Missing():
            _log.error("file_missing", file_id=event.stream_id, lost_bytes=event.size_bytes)
        case Gone():
            _log.info("file_gone", file_id=event.stream_id)
        case Waiting():
            _log.debug("file_waited_for", inode=event.key.inode)
