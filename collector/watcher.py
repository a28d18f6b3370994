"""The collector's eyes: files, what they mean, what may be read of them. Everything that blocks is done on a worker thread of its own.

Room: collector shell. It brings together sources/file_tail.py (does) and core/tail.py (decides). Custody changes on the event loop only.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from collector.config import CollectorConfig
from collector.core.blocks import BlockCutter
from collector.core.custody import Custody
from collector.core.files import BYSTANDER, FileKey, Gone, ReadOrder, Scan, Seen
from collector.core.globs import Excluding, Globs, Pattern
from collector.core.pressure import GivenUp
from collector.core.stream import Stream
from collector.core.tail import Tail
from collector.file_events import tell
from collector.framing import Framer, Gathered
from collector.memory import give_back
from collector.nudge import Nudge
from collector.sources.file_tail import POLL_SECONDS, SCAN_SECONDS, FileTail
from collector.sources.inotify import Inotify
from collector.volume import Fill, Limits, Volume
from collector.worker import Worker
from towline.wire.block import Row
from towline.wire.identity import Origin

MEASURE_SECONDS = 0.9  # every scan asks how full the volume is; looks in between, for a flush only, need not

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Watched:
    """What the configuration says of files."""

    logs: Sequence[tuple[Pattern, Origin]]
    window_bytes: int
    partial_line_seconds: float
    limits: Limits


class Watcher:
    """Looks, reads, and wakes the loop when something changed."""

    def __init__(self, watched: Watched, pod_uid: str, files: FileTail | None = None) -> None:
        self._watched, self._pod_uid = watched, pod_uid
        patterns = [pattern for pattern, _ in watched.logs]
        self._files = FileTail(patterns) if files is None else files.watching(patterns)
        self._inotify = Inotify.open()
        self._tail: Tail | None = None
        self._cutters: dict[str, BlockCutter] = {}
        self._volume = Volume(watched.limits, self.roots)
        self._measured_at = float("-inf")
        self._let_go: set[FileKey] = set()  # files that were given up: their descriptors would hold their space
        self._framer = Framer()
        self._blind = False  # the last scan failed
        self._held: Sequence[Seen] = ()  # the log files there are, as long as no journal was met
        self._nudge = Nudge()
        # Not the loop's default threads: while name resolution hangs they are all taken, and files would not be looked at.
        self._thread = Worker("files")
        self.partial_lines = 0
        self.changed = True  # something happened since the last look

    @property
    def roots(self) -> Sequence[str]:
        return tuple(Globs([pattern for pattern, _ in self._watched.logs]).roots)

    @property
    def scan_seconds(self) -> float:
        """How often to look although nothing was said: a scan is the truth, inotify only makes it quick."""
        pause = self._files.pause_seconds  # longer where a scan costs much
        quiet = self._inotify is not None and self._inotify.complete
        return pause if quiet or pause > SCAN_SECONDS else POLL_SECONDS

    @property
    def refused(self) -> Mapping[str, int]:
        return self._files.counters

    # Waking.

    def nudge(self) -> None:
        """Wake whoever waits, or who waits next."""
        self._nudge.give()

    async def wait(self, seconds: float) -> None:
        """Return when nudged, or after `seconds`. What the app writes meanwhile wakes nobody: a flush is pending anyway."""
        await self._nudge.wait(seconds)

    async def wait_for_change(self, seconds: float) -> None:
        """Return when something changed, when nudged, or after `seconds`."""
        if self._inotify is None:
            await self.wait(seconds)
            return
        if self._inotify.drain():
            self.changed = True
            return
        loop = asyncio.get_running_loop()
        self._inotify.arm(loop, self._wake)
        try:
            await self.wait(seconds)
        finally:
            self._inotify.disarm(loop)

    def _wake(self) -> None:
        self.changed = True
        self.nudge()

    # Looking.

    async def hold(self) -> None:
        """Open what is there, so that it can be read later whatever becomes of its name."""
        await self._thread.run(self._hold)

    def begin(self, rows: Sequence[Row]) -> None:
        """Take a journal's rows as what an earlier life knew of the files. Later journals change positions, not files."""
        if self._tail is None:
            self._tail = Tail(self._pod_uid, self._watched.logs, self._files, rows)

    async def turn(self, custody: Custody, now: float, *, look: bool, gather: bool, hurry: bool = False) -> bool:
        """Look, and read what may be read: one visit to the thread. True if files hold more than the window has room for.

        Custody is changed over there: whoever calls waits meanwhile, so nothing interleaves.
        """
        tail = self._tail
        if tail is None:
            return False
        if look:
            self.changed = False
        return await self._thread.run(lambda: self._turn(tail, custody, now, (look, gather, hurry)))

    def _turn(self, tail: Tail, custody: Custody, now: float, wanted: tuple[bool, bool, bool]) -> bool:
        look, gather, hurry = wanted
        if look:
            self._look(tail, custody, now)
        orders = custody.orders(tail.size_of, self._watched.window_bytes) if gather else ()
        return self._load(custody, self._read(custody, orders, now, hurry=hurry)) if orders else False

    def _hold(self) -> None:
        scan = self._scan()
        if scan is not None:
            self._held = [seen for seen in scan.files if max(seen.matches, seen.rotated) != BYSTANDER]
            self._watch_folders()

    def _look(self, tail: Tail, custody: Custody, now: float) -> None:
        """Scan, and follow what became of the files."""
        if self._inotify is not None:
            self._inotify.drain()
        scan = self._scan()
        if scan is None:
            return
        positions = custody.positions()
        for event in tail.observe(now, scan, positions):
            custody.apply(event)
            if isinstance(event, Gone):
                self._cutters.pop(event.stream_id, None)
            tell(event)
        self._files.keep_only(tail.needed(now, positions) - self._let_go)
        self._watch_folders()
        if now - self._measured_at >= MEASURE_SECONDS:
            self._measured_at = now
            self._relieve(tail, custody, scan, self._volume.measure(scan))

    def _scan(self) -> Scan | None:
        """None where the volume does not let itself be looked at: tried again, as nothing is known to have changed."""
        try:
            scan = self._files.scan()
        except OSError as error:
            if not self._blind:
                _log.warning("scan_failed", error=str(error))
            self._blind = True
            return None
        self._blind = False
        return scan

    def _watch_folders(self) -> None:
        if self._inotify is not None:
            self._inotify.watch(self._files.folders)

    def _relieve(self, tail: Tail, custody: Custody, scan: Scan, fills: Sequence[Fill]) -> None:
        """Let go of what the volume has no room for (rule 12)."""
        level = self._volume.level(fills)
        if level != tail.release_at:
            tail.release_at = level
            _log.warning("custody_changed", level=level)
        self._let_go &= {seen.key for seen in scan.files} if self._let_go else set()
        for one in self._volume.give_up(fills, scan, custody.streams.values(), tail.size_of):
            self._give_up(custody, one, scan.unlinked)

    def _give_up(self, custody: Custody, one: GivenUp, unlinked: frozenset[FileKey]) -> None:
        stream = custody.streams[one.stream_id]
        size_bytes = one.end - one.start
        custody.counters["given_up_bytes"] += size_bytes
        _log.error(
            "bytes_given_up", path=stream.origin.path, file_id=stream.id, offset=one.start, size_bytes=size_bytes
        )
        if stream.key is not None:
            self._let_go.add(stream.key)
        stream.skip(one.end, "given_up")
        if stream.key in unlinked and not stream.alias:
            stream.key = None  # it is closed with the next look: nobody can read it again

    # Reading.

    def _read(self, custody: Custody, orders: Sequence[ReadOrder], now: float, *, hurry: bool) -> list[Gathered]:
        """Read, cut and compress. Nothing of `custody` is changed here."""
        now_unix_ns = time.time_ns()
        return [
            self._read_one(custody.streams[order.stream_id], order, now, now_unix_ns, hurry=hurry) for order in orders
        ]

    def _read_one(self, stream: Stream, order: ReadOrder, now: float, now_unix_ns: int, *, hurry: bool) -> Gathered:
        result = self._files.read_one(order)
        frame, mark = None, ""
        if result.data:
            cut = self._cutter(stream.id, stream.origin.encoding).cut(result, now, hurry=hurry)
            frame = self._framer.frame_of(stream, result, cut, now_unix_ns) if cut.size_bytes else None
        elif result.hole_bytes:
            mark = self._files.print_at(order.key, order.offset + result.hole_bytes) or ""
        return Gathered(order, result.print_matches, result.at_end, result.hole_bytes, mark, frame)

    def _load(self, custody: Custody, gathered: Sequence[Gathered]) -> bool:
        """Give custody what was read. True if there is more to read at once."""
        more = False
        for one in gathered:
            stream = custody.streams[one.order.stream_id]
            if not one.print_matches:
                if self._tail is not None:
                    self._tail.mismatched(stream.id)
                self.changed = True
            elif one.frame is not None:
                self.partial_lines += one.frame.partial
                stream.load(one.frame)
                more = more or not one.at_end
            elif one.hole_print or one.hole_bytes:
                custody.counters["hole_bytes"] += one.hole_bytes
                stream.skip(one.order.offset + one.hole_bytes, "hole", print_at_end=one.hole_print)
                more = True
        return more

    def _cutter(self, stream_id: str, encoding: str) -> BlockCutter:
        cutter = self._cutters.get(stream_id)
        if cutter is None:
            cutter = self._cutters[stream_id] = BlockCutter(encoding, self._watched.partial_line_seconds)
        return cutter

    def unstored_bytes(self, custody: Custody) -> dict[str, int]:
        """What is not stored yet, by path. Before a journal was met nothing is known to be stored."""
        if self._tail is None:
            return {seen.path: seen.size for seen in self._held if seen.size}
        left = self._tail.undecided()
        for stream in list(custody.streams.values()):
            size = self._tail.size_of(stream.id)
            queue = list(stream.queue)  # asked for by a page of metrics, too, while the other thread reads
            beyond = max(0, (size or 0) - stream.place) + sum(frame.end - frame.start for frame in queue)
            if beyond:
                left[stream.origin.path] = left.get(stream.origin.path, 0) + beyond
        return left

    async def give_back(self) -> None:
        """Let go of what large blocks needed: after a backlog nothing of that size comes for a while."""
        self._framer = Framer()
        self._files.let_go_of_buffers()
        await self._thread.run(give_back)

    async def rest(self) -> None:
        """Return when the thread has finished what it was given, even if whoever asked for it was cancelled."""
        await self._thread.run(lambda: None)

    async def close(self) -> None:
        """Close every file, once nothing is being read any more."""
        (await self.hand_over()).close()

    async def hand_over(self) -> FileTail:
        """Close all but the files, once nothing is being read any more."""
        await self.rest()
        self._thread.close()
        if self._inotify is not None:
            self._inotify.close()
        return self._files


def open_watcher(config: CollectorConfig, pod_uid: str, files: FileTail | None = None) -> Watcher:
    """The watcher of a configuration's log paths. `files`: those that an earlier watcher has handed over."""
    logs = [(Excluding(log.path, log.exclude), log.origin()) for log in config.logs]
    limits = Limits(config.limit_bytes, [log.limit_bytes for log in config.logs], config.acknowledge)
    return Watcher(Watched(logs, config.window_bytes, config.partial_line_seconds, limits), pod_uid, files)
