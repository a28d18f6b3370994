"""An app to look at: writes JSON and nginx lines into a folder, serves Prometheus metrics and sends DogStatsD, until it is told to stop.

Room: cli. Never enters: anything of Towline's; it stands for a user's own program.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

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


@dataclass(frozen=True, slots=True)
class Order:
    """One order of the shop that this app is."""

    number: int
    level: str
    duration_ms: float


def next_order(number: int) -> Order:
    """An order as they come in: most go well."""
    level = random.choices(("info", "warn", "error"), (94, 5, 1))[0]  # noqa: S311 - sample data
    return Order(number, level, round(random.expovariate(0.02), 1))


class Numbers:
    """What the app counts: for Prometheus on a port of its own, and by DogStatsD. Port 0 leaves either out."""

    def __init__(self, metrics_port: int, dogstatsd_port: int) -> None:
        registry = CollectorRegistry()
        self._orders = Counter("shop_orders_total", "Orders by how they went.", ["level"], registry=registry)
        self._seconds = Histogram("shop_order_duration_seconds", "Time that an order took.", registry=registry)
        if metrics_port:
            start_http_server(metrics_port, "127.0.0.1", registry=registry)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", dogstatsd_port) if dogstatsd_port else None

    def count(self, order: Order) -> None:
        """Count an order."""
        self._orders.labels(order.level).inc()
        self._seconds.observe(order.duration_ms / 1000)
        if self._to is not None:
            words = f"checkout.orders:1|c|#level:{order.level}\ncheckout.payment_time:{order.duration_ms}|ms"
            with contextlib.suppress(OSError):  # nobody may be listening yet
                self._socket.sendto(words.encode(), self._to)


def json_line(order: Order, now: float) -> str:
    """One line of a service that logs JSON."""
    return json.dumps(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z",
            "level": order.level,
            "msg": "order placed" if order.level == "info" else "payment is slow",
            "order": order.number,
            "duration_ms": order.duration_ms,
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
    parser.add_argument("--parent", type=int, default=os.getppid(), help="end when this process, which started it, has")
    parser.add_argument("--metrics-port", type=int, default=0, help="serve Prometheus metrics here")
    parser.add_argument("--dogstatsd-port", type=int, default=0, help="send DogStatsD here")
    options = parser.parse_args()
    running = True

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    number, numbers = 0, Numbers(options.metrics_port, options.dogstatsd_port)
    orders, access = LogFile(options.dir / "orders.log"), LogFile(options.dir / "access.log")
    while running and os.getppid() == options.parent:
        order = next_order(number)
        orders.write(json_line(order, time.time()))
        access.write(nginx_line(time.time()))
        numbers.count(order)
        number += 1
        time.sleep(2.0 / options.lines_per_second)


if __name__ == "__main__":
    main()
