"""Numbered lines, so that a judge can tell lost, doubled, torn and swapped ones: writer, sequence number and CRC in every line.

In-process (`Writer`) or as a process: `python -m tests.e2e.writer --dir D --files N --lines M --rate R --rotate rename`. Imports nothing of ours.
"""

import argparse
import json
import os
import random
import shutil
import signal
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Form = Literal["json", "plain", "mixed"]
Rotation = Literal["none", "rename", "copytruncate"]

ALPHABET = "abcdefghijklmnopqrstuvwxyz 0123456789"
MAX_PADDING = 320


def padding_of(seed: int, writer: str, sequence: int) -> str:
    """Text of 0 to 320 characters; the same for the same three values, so a run can be repeated."""
    choice = random.Random(f"{seed}/{writer}/{sequence}")
    return "".join(choice.choices(ALPHABET, k=int(choice.triangular(0, MAX_PADDING, 120))))


def line_of(writer: str, sequence: int, padding: str, form: Form = "json") -> str:
    """One line without its newline. The CRC-32 covers all that stands before it in the line; see judge.parse_line."""
    if form == "mixed":
        form = "json" if sequence % 2 else "plain"
    if form == "json":
        head = f'{{"w":"{writer}","n":{sequence},"level":"info","message":"{padding}"'
        return f'{head},"crc":"{zlib.crc32(head.encode()):08x}"}}'
    head = f"[{writer} {sequence}] info {padding}"
    return f"{head} crc={zlib.crc32(head.encode()):08x}"


@dataclass(frozen=True)
class Plan:
    """How one file is written. `rate` is lines per second (0: as fast as possible), `keep` the rotated generations left on disk."""

    lines: int = 1000
    rate: float = 0.0
    rotate: Rotation = "none"
    rotate_bytes: int = 100_000
    keep: int = 5
    form: Form = "json"
    lines_per_write: int = 1
    seed: int = 0


@dataclass
class Writer:
    """One numbered writer on one file, opened with O_APPEND. Counts what it wrote; rotates only between lines."""

    path: Path
    plan: Plan
    name: str = "w0"
    lines: int = 0
    size_bytes: int = 0
    rotations: int = 0
    _descriptor: int = field(default=-1, repr=False)
    _size: int = field(default=0, repr=False)

    @property
    def finished(self) -> bool:
        return self.lines >= self.plan.lines

    def write(self, count: int) -> None:
        """Append up to `count` more lines of the plan, `lines_per_write` to a write()."""
        last = min(self.lines + count, self.plan.lines)
        while self.lines < last:
            until = min(last, self.lines + self.plan.lines_per_write)
            self._append("".join(f"{self._line(sequence)}\n" for sequence in range(self.lines, until)).encode())
            self.lines = until

    def write_all(self) -> None:
        self.write(self.plan.lines - self.lines)
        self.close()

    def rotate(self) -> None:
        """Shift the generations by one, by rename or by copy and truncate. No line is written meanwhile: nothing is lost here."""
        if self.plan.rotate == "none":
            return
        for generation in range(self.plan.keep, 1, -1):
            older = self._generation(generation - 1)
            if older.exists():
                older.replace(self._generation(generation))
        if self.plan.rotate == "rename":
            self.close()
            self.path.replace(self._generation(1))
        else:
            shutil.copyfile(self.path, self._generation(1))
            os.ftruncate(self._descriptor, 0)
        self._size = 0
        self.rotations += 1

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _line(self, sequence: int) -> str:
        return line_of(self.name, sequence, padding_of(self.plan.seed, self.name, sequence), self.plan.form)

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self.plan.rotate_bytes:
            self.rotate()
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self._size = os.fstat(self._descriptor).st_size
        written = os.write(self._descriptor, data)
        if written != len(data):
            raise OSError(f"{self.path}: wrote {written} of {len(data)} bytes")
        self.size_bytes += written
        self._size += written

    def _generation(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def summary_of(writers: Sequence[Writer]) -> dict[str, dict[str, int]]:
    """What was written, by writer: the judge takes `lines`."""
    return {
        "lines": {writer.name: writer.lines for writer in writers},
        "bytes": {writer.name: writer.size_bytes for writer in writers},
        "rotations": {writer.name: writer.rotations for writer in writers},
    }


def write_summary(path: Path, writers: Sequence[Writer]) -> None:
    """Whole or not at all: whoever waits for the file may read it as soon as it is there."""
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_text(json.dumps(summary_of(writers)))
    scratch.replace(path)


class Pace:
    """How many lines are due: sans-IO, so that a late tick catches up instead of losing rate."""

    def __init__(self, rate: float, started: float) -> None:
        self._rate = rate
        self._started = started

    def due(self, now: float) -> int:
        """Lines that each writer should have written by `now` (monotonic seconds)."""
        return int((now - self._started) * self._rate)


def run(writers: Sequence[Writer], rate: float, stopped: list[bool]) -> None:
    """Write all plans, `rate` lines per second and writer (0: as fast as possible), until done or `stopped` is no longer empty."""
    pace = Pace(rate, time.monotonic())
    while not stopped and not all(writer.finished for writer in writers):
        due = pace.due(time.monotonic()) if rate else None
        for writer in writers:
            writer.write(500 if due is None else max(0, due - writer.lines))
        if due is not None:
            time.sleep(0.005)
    for writer in writers:
        writer.close()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="tests.e2e.writer", description="Write numbered lines into files.")
    options.add_argument("--dir", type=Path, required=True)
    options.add_argument("--files", type=int, default=1)
    options.add_argument("--lines", type=int, default=1000, help="lines per file")
    options.add_argument("--rate", type=float, default=0.0, help="lines per second and file; 0: as fast as possible")
    options.add_argument("--rotate", choices=["none", "rename", "copytruncate"], default="none")
    options.add_argument("--rotate-bytes", type=int, default=100_000)
    options.add_argument("--keep", type=int, default=5, help="rotated generations left on disk")
    options.add_argument("--form", choices=["json", "plain", "mixed"], default="json")
    options.add_argument("--lines-per-write", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--prefix", default="w", help="writers are named prefix + number, files writer + .log")
    options.add_argument("--summary", type=Path, help="default: DIR-written.json, beside the folder")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """SIGTERM and SIGINT end the writing early; the summary says what was written until then."""
    stopped: list[bool] = []
    before = {
        number: signal.signal(number, lambda *_: stopped.append(True)) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        return write(parser().parse_args(arguments), stopped)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write(options: argparse.Namespace, stopped: list[bool]) -> int:
    """Write what the command line asks for."""
    plan = Plan(
        lines=options.lines,
        rate=options.rate,
        rotate=options.rotate,
        rotate_bytes=options.rotate_bytes,
        keep=options.keep,
        form=options.form,
        lines_per_write=options.lines_per_write,
        seed=options.seed,
    )
    options.dir.mkdir(parents=True, exist_ok=True)
    names = [f"{options.prefix}{number}" for number in range(options.files)]
    writers = [Writer(options.dir / f"{name}.log", plan, name) for name in names]
    run(writers, options.rate, stopped)
    write_summary(options.summary or options.dir.with_name(f"{options.dir.name}-written.json"), writers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
