"""(c) Whether a backlog of 10 GB changes what the processes hold in memory: against a backlog of the usual size, in the same run.

`python -m bench.big_backlog [--big-backlog-mb 10240] [--backlog-mb 256]`. Takes about four minutes and 11 GB of disk: not part of
`python -m bench.run` unless named by `--only`.
"""

import shutil
import time
from pathlib import Path

from bench.collector_backlog import Held, Shipped, against_null, over_two_hops
from bench.load import chunk
from bench.measure import MB, Options, Row, main, say, scratch_folder

FILES = 10
UNIT_MB = 8
SPARE_BYTES = 1 << 30  # for the journal and the logs of the processes


def write_rotated(folder: Path, size_mb: int) -> list[Path]:
    """So many MB in ten files. Each has lines of its own: with the same ones, a collector takes a file for another's copy."""
    folder.mkdir()
    written = []
    for number in range(FILES):
        path = folder / f"backlog-{number}.log"
        share_bytes = size_mb * MB // FILES
        unit = chunk(min(UNIT_MB * MB, share_bytes), seed=number)
        with path.open("wb") as stream:
            for _ in range(max(1, round(share_bytes / len(unit)))):
                stream.write(unit)
        written.append(path)
    return written


def row(what: str, big: Held, usual: Held, usual_mb: int, aim: str) -> Row:
    return Row(
        what=what,
        measured=f"{big.peak_bytes / MB:.1f} MB peak, {big.after_bytes / MB:.1f} MB after",
        floor=f"{usual.peak_bytes / MB:.1f} MB peak, {usual.after_bytes / MB:.1f} MB after {usual_mb} MB",
        ratio=big.peak_bytes / usual.peak_bytes,
        aim=aim,
    )


def both_ways(folder: Path, size_mb: int) -> tuple[Shipped, Shipped]:
    """The same backlog to the null aggregator, and over both hops to the null intake. Gone afterwards."""
    started = time.monotonic()
    backlog = write_rotated(folder, size_mb)
    say(f"{size_mb} MB written in {time.monotonic() - started:.0f} s")
    shipped = []
    for name, way in (("null", against_null), ("real", over_two_hops)):
        shipped.append(way(folder.with_name(f"{folder.name}-{name}"), backlog))
        say(f"{size_mb} MB, {name}: {shipped[-1]}")
    shutil.rmtree(folder)
    return shipped[0], shipped[1]


def measure(options: Options) -> list[Row]:
    free_bytes = shutil.disk_usage(options.scratch).free
    wanted_bytes = options.big_backlog_mb * MB + SPARE_BYTES
    if free_bytes < wanted_bytes:
        raise OSError(
            f"{options.scratch}: has {free_bytes // MB} MB free, {wanted_bytes // MB} are needed. Name another by --scratch, or less by --big-backlog-mb"
        )
    with scratch_folder(options) as folder:
        usual_null, usual_real = both_ways(folder / "usual", options.backlog_mb)
        big_null, big_real = both_ways(folder / "big", options.big_backlog_mb)
    what, usual_mb = f"RSS, {options.big_backlog_mb} MB backlog in {FILES} files", options.backlog_mb
    return [
        row(
            f"collector, {what}, null aggregator",
            big_null.collector_held,
            usual_null.collector_held,
            usual_mb,
            "<= 40 MB",
        ),
        row(
            f"collector, {what}, real aggregator",
            big_real.collector_held,
            usual_real.collector_held,
            usual_mb,
            "<= 40 MB",
        ),
        row(f"aggregator, {what}", big_real.aggregator_held, usual_real.aggregator_held, usual_mb, "peak <= 150 MB"),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
