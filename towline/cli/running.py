"""The programs that `towline up` runs: started, ended in order, and gone when `towline up` is gone, however that went.

Room: the front door. Never enters: what the programs do, what is shown of them.

Each service has a lifeline (plumbing.lifecycle): a pipe whose writing end is held by `towline up` and by the program that feeds the
service. Where `towline up` is killed, the app ends, then the collector drains into an aggregator that is still there, then the
aggregator leaves: the order that Ctrl-C has.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from towline.plumbing.lifecycle import LIFELINE

ENDED_WITHIN_SECONDS = 40.0
FEEDS = {"app": "collector", "collector": "aggregator"}


@dataclass
class Running:
    """What was started, and where to look."""

    folder: Path
    aggregator_port: int
    collector_port: int
    dogstatsd_port: int
    app_port: int
    reserved: list[socket.socket] = field(default_factory=list)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    lifelines: dict[str, tuple[int, int]] = field(default_factory=dict)  # each program's reading and writing end

    def start(self, name: str, *command: str) -> None:
        """Start a program of ours in a process group of its own: Ctrl-C reaches us alone, and we end them in order."""
        self.commands[name] = command
        feeds = FEEDS.get(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, "-m", *command],
                stdin=self._lifeline(name)[0],
                stdout=log,
                stderr=log,
                env={**os.environ, LIFELINE: "0"},
                pass_fds=[self._lifeline(feeds)[1]] if feeds else [],
                start_new_session=True,
            )

    def end(self, name: str) -> int | None:
        """SIGTERM, and wait. None where it had to be killed."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(ENDED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def close(self) -> None:
        """End what still runs, and let go of everything."""
        for name in list(self.processes):
            self.end(name)
        for taken in self.reserved:
            taken.close()
        for ends in self.lifelines.values():
            for descriptor in ends:
                os.close(descriptor)

    def status(self) -> dict[str, Any]:
        """What the aggregator says of itself. Raises OSError, ValueError where it does not answer."""
        url = f"http://127.0.0.1:{self.aggregator_port}/status"
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def _lifeline(self, name: str) -> tuple[int, int]:
        """The same for every start of a program: what is started again hangs on it like the first."""
        if name not in self.lifelines:
            self.lifelines[name] = os.pipe()
        return self.lifelines[name]


def free_port(wanted: int, reserved: list[socket.socket], kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """The usual port if it is free, else any. What keeps it from others of our kind goes to `reserved`."""
    for port in (wanted, 0):
        with socket.socket(type=kind) as probe:
            if kind is socket.SOCK_STREAM:  # of datagrams it would let two listen
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                found: int = probe.getsockname()[1]
                reserved.append(_reservation(found))
            except OSError:
                continue
            return found
    raise SystemExit("towline up: no port is free on 127.0.0.1")


def _reservation(port: int) -> socket.socket:
    """Another `towline up` that starts at this moment would find the same port free. Raises OSError where one has taken it.

    A name of the kernel's (unix(7), abstract sockets): it ends with this process and leaves no file.
    """
    taken = socket.socket(socket.AF_UNIX)
    try:
        taken.bind(f"\0towline-up-{port}")
    except OSError:
        taken.close()
        raise
    return taken
