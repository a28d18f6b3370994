"""What every measurement needs: its options, its rows, a scratch folder, and how a table is printed.

Rows are ratios measured in one run on one machine; nothing here asserts a time.
"""

import argparse
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

MB = 1_000_000
MIB = 1 << 20
PERCENT = 100.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much is measured. The defaults are what the README's numbers come from; `SMOKE` only shows that everything runs."""

    backlog_mb: int = 256
    big_backlog_mb: int = 10240
    runs: int = 5
    steady_seconds: float = 60.0
    latency_seconds: float = 20.0
    single_lines: int = 10
    journal_mb: int = 2048
    replica_seconds: float = 10.0
    max_collectors: int = 3200
    scratch: Path = Path(tempfile.gettempdir())


SMOKE = Options(
    backlog_mb=8,
    big_backlog_mb=32,
    runs=1,
    steady_seconds=1.0,
    latency_seconds=1.0,
    single_lines=1,
    journal_mb=32,
    replica_seconds=1.0,
    max_collectors=25,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `ratio` is measured / floor; `peer` a figure of Fluent Bit 5.1 that was measured elsewhere."""

    what: str
    measured: str
    floor: str = ""
    ratio: float | None = None
    aim: str = ""
    peer: str = ""


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| what | measured | floor, same run | ratio | aim | Fluent Bit 5.1, elsewhere |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(f"| {row.what} | {row.measured} | {row.floor} | {ratio} | {row.aim} | {row.peer} |")
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie; raises ValueError where there are none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@contextmanager
def scratch_folder(options: Options) -> Iterator[Path]:
    """A folder of this measurement's own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="towline-bench-", dir=options.scratch))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone() -> Iterator[None]:
    """While this holds, no other measurement runs on the machine: two would measure each other. Raises SystemExit where one does."""
    path = Path(tempfile.gettempdir(), "towline-bench.lock")
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SystemExit(f"{path}: another measurement runs, process {lock.read()}. Wait for its end") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def add_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of Options, and `--smoke`."""
    parser.add_argument(
        "--smoke", action="store_true", help="sizes that show only that everything runs; flags given still count"
    )
    for option in fields(Options):
        parser.add_argument(
            f"--{option.name.replace('_', '-')}", type=type(option.default), help=f"default {option.default}"
        )


def options_of(arguments: argparse.Namespace) -> Options:
    """Options from the flags: smoke or full sizes, and what was given on top."""
    base = SMOKE if arguments.smoke else Options()
    given = {option.name: getattr(arguments, option.name) for option in fields(Options)}
    return Options(**{name: getattr(base, name) if value is None else value for name, value in given.items()})


def main(measure: Callable[[Options], list[Row]]) -> int:
    """Run one measurement by itself and print its rows."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = options_of(parser.parse_args())
    with alone():
        print(markdown(measure(options)))
    return 0


def say(text: str) -> None:
    """Progress, on stderr: stdout is the table's."""
    print(text, file=sys.stderr, flush=True)
