"""(g) How soon an aggregator is ready that was killed with a full journal.

`python -m bench.journal_start [--journal-mb 2048]`
"""

import os
import time
from pathlib import Path

from bench.floor import Squeezer
from bench.measure import MB, MIB, Options, Row, main, say, scratch_folder
from bench.parts import datadog_aggregator
from bench.wire_client import Door, Stream, pod_of
from tests.e2e.deployment import Deployment
from tests.e2e.procs import free_port

STREAMS = 8
FREE = 2.5  # of what is put into it: a sink has half of the journal unless told otherwise


def fill(url: str, size_bytes: int) -> int:
    """Put so many bytes of blocks that do not compress into the journal. Returns the bytes sent."""
    pod = pod_of(1)
    streams = [Stream(pod, number) for number in range(STREAMS)]
    door = Door(url)
    journal = door.marks(pod).journal
    body = Squeezer().squeeze(os.urandom(MIB - 1) + b"\n")
    sent = 0
    while sent < size_bytes:
        door.post(journal, pod, [stream.next_frame(body, MIB) for stream in streams])
        sent += STREAMS * len(body)
    door.close()
    return sent


def forget_cached(folder: Path) -> None:
    """Have the kernel drop these files from its page cache: a restarted pod may find itself on a cold disk."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def measure(options: Options) -> list[Row]:
    size_bytes = options.journal_mb * MIB
    with scratch_folder(options) as folder:
        deployment = Deployment(folder)
        # Nobody listens there: all of it stays owed.
        silent = f"http://127.0.0.1:{free_port()}"
        limit = {"path": str(deployment.journal / "journal.db"), "max_bytes": int(FREE * size_bytes) + 256 * MIB}
        taken = []
        with datadog_aggregator(deployment, silent, journal=limit) as aggregator:
            aggregator.wait_ready()
            filled = fill(deployment.aggregator_url, size_bytes)
            for _ in range(max(1, options.runs)):
                aggregator.kill()
                forget_cached(deployment.journal)
                started = time.monotonic()
                aggregator.start().wait_ready(120)
                taken.append(time.monotonic() - started)
                kept = deployment_bytes(deployment)
            rss = aggregator.rss_bytes() / MB
        say(f"ready after {' '.join(f'{seconds:.2f}' for seconds in taken)} s")
    return [
        Row(
            what=f"aggregator, start after kill -9 with {filled / MIB:.0f} MiB owed, cold cache",
            measured=f"{max(taken):.2f} s to ready, worst of {len(taken)} ({kept / MIB:.0f} MiB in {rss:.0f} MB RSS)",
            aim="<= 3 s",
        )
    ]


def deployment_bytes(deployment: Deployment) -> int:
    """What the journal's files take on disk."""
    return sum(path.stat().st_size for path in deployment.journal.iterdir())


if __name__ == "__main__":
    raise SystemExit(main(measure))
