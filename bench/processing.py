"""(i) What a route's steps cost the aggregator: raw MB per CPU second of the whole process on the Datadog route, one kind of log and of route after another.

`python -m bench.processing [--backlog-mb 256] [--runs 5]`. A fifth of the backlog for each kind. Kinds alternate, so that a machine whose speed changes spoils none of them alone.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.aggregator_datadog import Block, Spent, through_the_aggregator
from bench.floor import Squeezer
from bench.load import MESSAGES, blocks, json_line, lines, nginx_line
from bench.measure import MB, Options, Row, main, say, scratch_folder

SHARE_OF_BACKLOG = 5
MASKS = ["email", "credit_card", "ipv4", "jwt", "bearer"]
FRAMES = 14


def _of(make: Callable[[random.Random, float], str]) -> Iterator[str]:
    choice, moment = random.Random(0), time.time()
    while True:
        moment += choice.random() / 100
        yield make(choice, moment)


def cri_line(choice: random.Random, moment: float) -> str:
    """A container's line as containerd writes it."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{choice.randrange(10**9):09d}Z"
    return f"{when} {choice.choice(('stdout', 'stderr'))} F {nginx_line(choice, moment)}"


def java_event(choice: random.Random, moment: float) -> str:
    """A log line, and every other time the trace of an exception behind it."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f",{choice.randrange(1000):03d}"
    head = f"{when} ERROR [http-nio-8080-exec-{choice.randrange(20)}] shop.orders.OrderService - {choice.choice(MESSAGES)} {choice.getrandbits(64):016x}"
    if choice.getrandbits(1):
        return head
    frames = "\n".join(
        f"\tat shop.orders.{choice.choice(('OrderService', 'Stock', 'Payment'))}.{choice.choice(('place', 'reserve', 'charge'))}(Order{choice.randrange(9)}.java:{choice.randrange(900)})"
        for _ in range(FRAMES)
    )
    return f"{head}\njava.lang.IllegalStateException: order {choice.randrange(10**6)} is not there\n{frames}\nCaused by: java.sql.SQLException: timeout\n{frames}"


@dataclass(frozen=True)
class Kind:
    """Lines, a route, and how many raw MB per CPU second it is to reach (0: printed only)."""

    what: str
    load: Callable[[], Iterator[str]]
    route: Mapping[str, Any] = field(default_factory=dict)
    routes: int = 1
    aim: int = 0
    peer: str = ""


KINDS = {
    "plain": Kind("unparsed", lines),
    "routes": Kind("unparsed, 20 routes of which one matches", lines, routes=20),
    "json": Kind(
        "JSON parsed", lambda: _of(json_line), {"parse": "json"}, aim=60, peer="19 MB per CPU second, with gzip"
    ),
    "nginx": Kind(
        "nginx parsed, time read",
        lambda: _of(nginx_line),
        {"parse": "nginx"},
        aim=33,
        peer="18 MB per CPU second, with gzip",
    ),
    "cri": Kind("CRI parsed", lambda: _of(cri_line), {"parse": "cri"}, aim=100),
    "java": Kind("Java traces joined", lambda: _of(java_event), {"multiline": "java"}, aim=50),
    "masks": Kind("five masks", lines, {"rules": [{"mask": MASKS}]}, aim=25),
}


def routes_of(kind: Kind) -> list[dict[str, Any]]:
    """The kind's route, behind others that match another namespace."""
    others = [
        {"name": f"other-{number}", "match": {"namespace": f"other-{number}"}, "to": ["dd"]}
        for number in range(kind.routes - 1)
    ]
    return [*others, {**kind.route, "to": ["dd"]}]


def taken_of(folder: Path, kind: Kind, size_bytes: int) -> list[Block]:
    """The kind's blocks as a collector sends them."""
    path = folder / "load"
    with path.open("w") as stream:
        written = 0
        for line in kind.load():
            written += stream.write(line + "\n")
            if written >= size_bytes:
                break
    squeezer = Squeezer()
    return [Block(squeezer.squeeze(block), len(block)) for block in blocks(path)]


def measure(options: Options, kinds: Sequence[str] = tuple(KINDS)) -> list[Row]:
    spent: dict[str, list[Spent]] = {name: [] for name in kinds}
    with scratch_folder(options) as folder:
        size_bytes = options.backlog_mb * MB // SHARE_OF_BACKLOG
        taken = {name: taken_of(folder, KINDS[name], size_bytes) for name in kinds}
        for run in range(options.runs):
            for name in kinds:
                used = through_the_aggregator(folder / f"{name}{run}", taken[name], routes_of(KINDS[name]))
                spent[name].append(used)
                say(
                    f"run {run}: {name} {sum(one.raw_bytes for one in taken[name]) / MB / used.seconds:.1f} MB per CPU second"
                )
    return [_row(KINDS[name], taken[name], spent[name]) for name in kinds]


def _row(kind: Kind, taken: Sequence[Block], runs: Sequence[Spent]) -> Row:
    size_mb = sum(block.raw_bytes for block in taken) / MB
    seconds = median(run.seconds for run in runs)
    peak_mb = max(run.peak_rss_bytes for run in runs) / MB
    return Row(
        what=f"aggregator, {kind.what}, to Datadog",
        measured=f"{size_mb / seconds:.1f} MB per CPU second ({1e3 * seconds / size_mb:.1f} ms/MB), peak {peak_mb:.0f} MB",
        aim=f">= {kind.aim}" if kind.aim else "",
        peer=kind.peer,
    )


if __name__ == "__main__":
    raise SystemExit(main(measure))
