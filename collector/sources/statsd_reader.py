"""The thread that reads DogStatsD's sockets and owns what they add up to.

Room: collector source. It decides nothing about lines (core/statsd.py); sockets are opened by dogstatsd.py.

It waits for datagrams, and for nothing else: neither a file's fsync nor a zstd holds it up, and a gathering is answered in steps between which
it reads what has come. So there is no lock: nobody else touches the table while it runs.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from collector.core.gathered import Gathered
from collector.core.statsd import Table
from collector.core.statsd_gathering import Gathering
from collector.sources.datagrams import SLOT_BYTES, SLOTS, Slots, receive_one

# While UDP is busy it gathers for a while: to wake for each datagram costs more than the datagram. How long, the receive buffer says: a sudden
# 100,000 datagrams a second (768 bytes of it each, however short) must find room.
BURST_BYTES_PER_SECOND: Final = 100_000 * 768
NAP_MS: Final = (2, 20)  # at least, at most
STEP_SERIES: Final = 64  # read between two looks at the sockets: 2 ms at most
PATIENCE_BATCHES: Final = (
    256  # whoever asks or leaves waits until the sockets are empty, but not for longer than these take
)
GATHER_SECONDS: Final = 10.0
FAILED_MS: Final = 1000

_log = structlog.get_logger()


class _Asked:
    """A gathering that somebody waits for."""

    def __init__(self, begin: Callable[[], Gathering]) -> None:
        self.begin = begin
        self.gathering: Gathering | None = None
        self.batches = 0  # read since it was asked for
        self.answer = Gathered()
        self.done = threading.Event()


class Reader:
    """Reads from `start` to `close`."""

    def __init__(self, table: Table, listeners: Sequence[socket.socket]) -> None:
        self.listeners = tuple(listeners)
        self.failures = 0
        self._table = table
        self._slots = Slots()
        self._by_fd = {listener.fileno(): listener for listener in listeners}
        self._ready: Sequence[int] = ()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._all, self._but_udp = select.poll(), select.poll()
        for fd in (self._wake, *self._by_fd):
            self._all.register(fd, select.POLLIN)
        # A Unix socket's queue is short (10 datagrams, unless the node says otherwise) and makes its senders wait: it is never let gather.
        for fd in (self._wake, *(one.fileno() for one in listeners if one.family == socket.AF_UNIX)):
            self._but_udp.register(fd, select.POLLIN)
        udp = [one for one in listeners if one.family != socket.AF_UNIX]
        held = [one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for one in udp]
        self._nap_ms = nap_ms_of(min(held, default=0))
        self._woken_at = 0.0
        self._is_busy = False
        self._asked: _Asked | None = None
        self._left_batches = PATIENCE_BATCHES
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dogstatsd", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def gather(self, begin: Callable[[], Gathering]) -> Gathered:
        """What `begin` gathers, once all that was sent until now has been read. Blocks for milliseconds."""
        asked = _Asked(begin)
        self._asked = asked
        os.eventfd_write(self._wake, 1)
        if not asked.done.wait(GATHER_SECONDS):
            self._asked = None
            _log.error("dogstatsd_gathering_missed", delay_seconds=GATHER_SECONDS)
        return asked.answer

    def close(self) -> None:
        """Read what has come, and end."""
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        while True:
            try:
                if not self._turn():
                    return
            except Exception:  # noqa: BLE001 - the thread's outermost loop: one batch is lost, not DogStatsD
                self.failures += 1
                _log.exception("dogstatsd_reading_failed")
                self._answered()
                self._but_udp.poll(FAILED_MS)  # what failed may fail again at once

    def _turn(self) -> bool:
        """Read a batch of each socket; then answer, wait or leave. Returns whether there is to be another turn."""
        # Before reading: what is asked for while we read is answered in the next turn, when all that was sent before it has been read.
        asked, closing = self._asked, self._closing
        more = self._read(in_batches=self._is_busy or asked is not None or closing)
        if asked is not None:
            asked.batches += 1
            if not more or asked.batches > PATIENCE_BATCHES or asked.gathering is not None:
                self._go_on_with(asked)
        elif closing:
            self._left_batches -= 1
            return more and self._left_batches > 0
        elif not more:
            self._wait()
        return True

    def _read(self, *, in_batches: bool) -> bool:
        """Take in what is there: a batch of each socket, or, where little comes, a datagram. Returns whether there was a full batch."""
        more = False
        for fd in self._by_fd if in_batches else self._ready:
            # A batch is cheap for each of many, and dear for one: it touches more that is no longer in the processor's caches.
            batch = self._slots.receive(fd) if in_batches else receive_one(self._by_fd[fd])
            if batch:
                self._table.take(batch, int(time.time()))
                more = more or len(batch) == SLOTS
                if len(max(batch, key=len)) == SLOT_BYTES:
                    self._table.refused["truncated"] += 1
        return more

    def _go_on_with(self, asked: _Asked) -> None:
        if asked.gathering is None:
            asked.gathering = asked.begin()
        if asked.gathering.step(STEP_SERIES):
            asked.answer = asked.gathering.result()
            self._answered()

    def _answered(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.done.set()

    def _wait(self) -> None:
        """Until there is something to read or somebody asks; longer where UDP is busy."""
        if self._is_busy:
            self._but_udp.poll(self._nap_ms)
        ready = [fd for fd, _ in self._all.poll()]
        now = time.monotonic()
        self._is_busy = now - self._woken_at < 2 * self._nap_ms / 1000
        self._woken_at = now
        if self._wake in ready:
            os.eventfd_read(self._wake)
            ready.remove(self._wake)
        self._ready = ready


def nap_ms_of(buffer_bytes: int) -> int:
    """For how long UDP may be left to a receive buffer."""
    least, most = NAP_MS
    return min(max(1000 * buffer_bytes // BURST_BYTES_PER_SECOND, least), most)
