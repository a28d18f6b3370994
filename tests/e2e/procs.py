"""Starting, killing and watching the real services, for end-to-end tests and the bench.

Knows only what users know of the services: command line, configuration, environment, `/readyz`, `/metrics`, `/status`.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.02
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
# Below Linux's ephemeral range: a port that a killed service gave back is not taken by somebody's outgoing connection before it restarts.
FIRST_PORT, LAST_PORT = 20_000, 32_000
PARTS = 8  # of these ports, one for each process that runs tests side by side


class TookTooLongError(AssertionError):
    """What was waited for did not come."""


def wait_until(predicate: Callable[[], Any], timeout_seconds: float, what: str = "") -> Any:
    """Poll until `predicate` gives something true, and return that. Raises TookTooLongError, an AssertionError."""
    deadline = time.monotonic() + timeout_seconds
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise TookTooLongError(
                f"waited {timeout_seconds} s for {what or getattr(predicate, '__name__', predicate)}"
            )
        time.sleep(POLL_SECONDS)
    return result


def _in_turn() -> Iterator[int]:
    """Ports of this process' own part, each once before any comes again: one that was handed out may not be listened on yet."""
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
    width = (LAST_PORT - FIRST_PORT) // PARTS
    start = random.SystemRandom().randrange(width)
    return itertools.cycle(FIRST_PORT + part * width + (start + step) % width for step in range(width))


_PORTS = _in_turn()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for port in _PORTS:
        with socket.socket(type=kind) as probe, contextlib.suppress(OSError):
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports come round")


def fetch(url: str, timeout_seconds: float = 2.0) -> tuple[int, str]:
    """Status and body of a GET; status 0 where nobody answered."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        return 0, str(error)


def cpu_seconds(pid: int) -> float:
    """User and system CPU of a process and its living children, to the nanosecond (the process's own CPU clock; psutil's has 10 ms)."""
    family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    # CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) makes it.
    return sum(time.clock_gettime((~member << 3) | 2) for member in family)


def peak_rss_bytes(pid: int) -> int:
    """The most memory the process itself ever had resident (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


class Service:
    """One process of ours, its port and its log. Usable as a context manager that leaves nothing running.

    Standard error and output go to `log`, appended over restarts. `url` is where it serves `/readyz`; empty where it serves nothing.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, url: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        self.arguments = [sys.executable, *arguments]
        self.log = log
        self.url = url
        self.environment = {key: os.environ[key] for key in KEPT_ENVIRONMENT if key in os.environ}
        self.environment |= {"PYTHONPATH": str(ROOT), **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it; does not wait. Raises RuntimeError where it still runs."""
        if self.is_alive:
            raise RuntimeError(f"{self.arguments} runs already as {self.pid}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.arguments, cwd=ROOT, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def wait_ready(self, timeout_seconds: float = 20.0, line: str = "") -> Self:
        """Wait for a 200 from `/readyz`, or for `line` in the log. Raises TookTooLongError, at once if it has exited."""

        def ready() -> bool:
            if not self.is_alive:
                raise TookTooLongError(f"exited with {self.returncode} before it was ready:\n{self.log_text()[-3000:]}")
            return line in self.log_text() if line else fetch(f"{self.url}/readyz")[0] == 200

        wait_until(
            ready, timeout_seconds, f"{line or '/readyz'} of {self.arguments}; its log ends:\n{self.log_text()[-3000:]}"
        )
        return self

    def kill(self) -> None:
        """SIGKILL, and reap. Nothing happens where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self, timeout_seconds: float = 30.0) -> int:
        """SIGTERM, and the exit code. Raises TookTooLongError (having killed it) if it takes longer."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TookTooLongError(f"still ran {timeout_seconds} s after SIGTERM:\n{self.log_text()[-3000:]}") from None

    def wait(self, timeout_seconds: float) -> int:
        """The exit code of a process that ends by itself."""
        try:
            return self._running().wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise TookTooLongError(f"still runs after {timeout_seconds} s: {self.arguments}") from None

    def restart(self, timeout_seconds: float = 20.0) -> Self:
        """Kill -9, start, wait until ready."""
        self.kill()
        return self.start().wait_ready(timeout_seconds)

    def pause(self) -> None:
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_events(self) -> list[dict[str, Any]]:
        """The JSON lines of its log; other lines (a traceback) are left out."""
        events = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                events += [event] if isinstance(event, dict) else []
        return events

    def get(self, path: str) -> tuple[int, str]:
        return fetch(f"{self.url}{path}")

    def metric(self, name: str) -> float:
        """The sum over all labels of one metric of `/metrics`; 0 where it is not there."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def rss_bytes(self) -> int:
        return psutil.Process(self.pid).memory_info().rss

    def peak_rss_bytes(self) -> int:
        return peak_rss_bytes(self.pid)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.arguments} was never started")
        return self._process
