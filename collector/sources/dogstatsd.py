"""DogStatsD: what the app sends to 127.0.0.1:8125 or to a Unix datagram socket, added up until a snapshot asks for it.

Room: collector source. What lines mean is core/statsd_parse.py, what they add up to core/statsd.py, who reads the sockets is statsd_reader.py.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from collector.core.gathered import Gathered
from collector.core.statsd import Limits, Table
from collector.core.statsd_gathering import Gathering
from collector.sources.datagrams import drops_of, open_udp, open_unix
from collector.sources.dogstatsd_options import DogStatsDConfig
from collector.sources.statsd_reader import Reader
from towline.plumbing.address import parse_listen

_log = structlog.get_logger()

Opening = Callable[[], socket.socket]


class DogStatsD:
    """Reads on its own thread from `start` to `close`. Its counters may be read at any time, from any thread."""

    def __init__(self, config: DogStatsDConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self.table = Table(Limits(config.max_series, config.expire_seconds))
        self.reader: Reader | None = None
        self.refused_sockets = 0  # times that a socket could not be opened
        self._drops = 0
        self._closed: dict[str, Opening] = {}  # sockets that are yet to be opened, by where they listen
        self._refusals: dict[str, str | None] = {}  # why they could not be: said once, and again where it changes
        self._changing = threading.Lock()  # which sockets there are: a gathering may still run while we close

    @property
    def packets(self) -> int:
        """Datagrams read."""
        return self.table.packets

    @property
    def samples(self) -> int:
        """Lines taken in: metrics, events and checks."""
        return self.table.accepted

    @property
    def refused(self) -> Mapping[str, int]:
        """Lines that were not, by reason."""
        return {str(reason): count for reason, count in self.table.refused.copy().items()}

    @property
    def series(self) -> int:
        """Series that there are."""
        return self.table.series

    @property
    def coarse(self) -> int:
        """Values of distributions that were counted in a bucket that is not theirs, for want of room."""
        return self.table.coarse

    @property
    def kernel_drops(self) -> int:
        """Datagrams that the kernel dropped because they were not read in time."""
        if self.reader is not None:
            self._drops = sum(map(drops_of, self.reader.listeners))
        return self._drops

    @property
    def listeners(self) -> int:
        """Sockets that are open."""
        return 0 if self.reader is None else len(self.reader.listeners)

    @property
    def address(self) -> tuple[str, int]:
        """Where UDP listens; ("", 0) where it does not."""
        listeners = () if self.reader is None else self.reader.listeners
        found = [one.getsockname()[:2] for one in listeners if one.family != socket.AF_UNIX]
        return found[0] if found else ("", 0)

    def start(self) -> None:
        """Open the sockets and begin to read. What cannot be opened is logged and counted, and tried again before each gathering."""
        self._closed = dict(self._wanted())
        self._open()

    def gather(self, now_unix_ns: int, *, fresh: bool) -> Gathered:
        """All that was sent until now. May wait for some milliseconds: not for an event loop.

        fresh: what was gathered last was frozen into a snapshot, so that sets begin anew; else they are united with it.
        """
        self._open()
        if self.reader is not None:
            return self.reader.gather(lambda: Gathering(self.table, self._clock(), now_unix_ns, fresh=fresh))
        gathering = Gathering(self.table, self._clock(), now_unix_ns, fresh=fresh)
        gathering.step(self._config.max_series)
        return gathering.result()

    def close(self) -> None:
        """Read what has come, and end. What was not gathered yet still can be."""
        with self._changing:
            self._closed = {}
            if self.reader is None:
                return
            self.reader.close()
            _ = self.kernel_drops  # the last count there is
            for listener in self.reader.listeners:
                if listener.family == socket.AF_UNIX:
                    Path(self._config.socket).unlink(missing_ok=True)
                listener.close()
            self.reader = None

    def _wanted(self) -> Iterator[tuple[str, Opening]]:
        config = self._config
        if config.listen:
            host, port = parse_listen(config.listen)
            yield config.listen, lambda: open_udp(host, port, config.receive_buffer_bytes)
        if config.socket:
            yield config.socket, lambda: open_unix(config.socket)

    def _open(self) -> None:
        """Open what is not open yet, and read what is from then on."""
        with self._changing:
            opened = [
                listener for where, opening in self._closed.copy().items() for listener in self._try(where, opening)
            ]
            if not opened:
                return
            if self.reader is not None:
                self.reader.close()  # its sockets stay open: what comes meanwhile waits in them
                opened = [*self.reader.listeners, *opened]
            self.reader = Reader(self.table, opened)
            self.reader.start()

    def _try(self, where: str, opening: Opening) -> list[socket.socket]:
        try:
            listener = opening()
        except OSError as error:
            self.refused_sockets += 1
            if self._refusals.get(where) != error.strerror:
                self._refusals[where] = error.strerror
                _log.warning("dogstatsd_socket_refused", path=where, reason=error.strerror)
            return []
        del self._closed[where]
        self._refusals.pop(where, None)
        buffer_bytes = listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        _log.info("dogstatsd_socket_opened", path=where, buffer_bytes=buffer_bytes)
        return [listener]
