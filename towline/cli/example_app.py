"""An app to look at: writes JSON and nginx lines into a folder until it is told to stop. `towline up` runs it.

Room: cli. Never enters: anything of Towline's; it stands for a user's own program.
"""

import argparse
import json
import os
import random
import signal
import time
from pathlib import Path
from types import FrameType

ROTATE_BYTES = 4 << 20
PATHS = ("/", "/api/orders", "/api/orders/417", "/static/app.js", "/healthz")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "kube-probe/1.33")


class LogFile:
    """A log file that is rotated by renaming, as logrotate would."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        if self._file.tell() >= ROTATE_BYTES:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab", buffering=0)


def json_line(order: int, now: float) -> str:
    """One line of a service that logs JSON."""
    level = random.choices(("info", "warn", "error"), (94, 5, 1))[0]  # noqa: S311 - sample data
    return json.dumps(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z",
            "level": level,
            "msg": "order placed" if level == "info" else "payment is slow",
            "order": order,
            "duration_ms": round(random.expovariate(0.02), 1),
        }
    )


def nginx_line(now: float) -> str:
    """One line of nginx's combined format."""
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
    path, agent = random.choice(PATHS), random.choice(AGENTS)  # noqa: S311 - sample data
    size, host = random.randrange(200, 9000), random.randrange(1, 255)  # noqa: S311 - sample data
    return f'10.0.4.{host} - - [{stamp}] "GET {path} HTTP/1.1" 200 {size} "-" "{agent}"'


def main() -> None:
    """Write until SIGTERM or SIGINT, or until the parent is gone."""
    parser = argparse.ArgumentParser(prog="python -m towline.cli.example_app", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--lines-per-second", type=float, default=200.0)
    options = parser.parse_args()
    running = True

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    parent, order = os.getppid(), 0
    orders, access = LogFile(options.dir / "orders.log"), LogFile(options.dir / "access.log")
    while running and os.getppid() == parent:
        orders.write(json_line(order, time.time()))
        access.write(nginx_line(time.time()))
        order += 1
        time.sleep(2.0 / options.lines_per_second)


if __name__ == "__main__":
    main()
