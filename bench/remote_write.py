"""What remote write costs: snapshots made into series, packed and compressed, with the state that is written down for each.

No floor: the work is the sink's own. CPU of this process alone, on one core; opening the snapshot and the receiver take no part.
"""

import time
from collections.abc import Iterator, Mapping

from aggregator.core.joining import Join
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.core.series import Opened
from aggregator.metric_sink import Fragment, Moment
from aggregator.sinks.remote_write import making
from aggregator.sinks.remote_write.making import Making
from aggregator.sinks.remote_write.receiver import Body
from bench.exposition import pod, request, sampled_families, scrape_of, scraped_text
from bench.measure import Options, Row, main
from towline.wire.snapshot import Family, Scrape, SnapshotRequest

PODS = 100
SERIES_OF_A_POD = 1_000
MAX_POINTS = 2_000
AIM = ">= 150,000"
STEP_NS = 15 * 10**9
START_NS = 1_790_000_000 * 10**9


def opened_of(number: int, sequence: int, said: SnapshotRequest) -> Opened:
    """A pod's snapshot, opened, as the forwarder hands it to the sink: nothing in it is shared with another."""
    opened = open_snapshot(pod(number), said, OpenLimits(max_series=100_000))
    values = {name: getattr(opened, name) for name in opened.__struct_fields__}
    return Opened(**{**values, "taken_unix_ns": START_NS + sequence * STEP_NS})


def bodies_of(fragments: list[Fragment]) -> Iterator[Body]:
    """As the forwarder packs them: so many points a request."""
    for first in range(0, len(fragments), MAX_POINTS):
        some = [fragment.body for fragment in fragments[first : first + MAX_POINTS]]
        yield Body.of(b"".join(some), len(some), hashed=False)


def rounds(families: tuple[Family, ...], scrapes: tuple[Scrape, ...], count: int) -> list[tuple[float, int, int]]:
    """CPU seconds, series and compressed bytes of each round: all pods once. The first round is of pods that are new."""
    sink = Making({"job": "towline", "cluster": "main"}, 3600.0)
    states: dict[str, str] = {}
    found = []
    for sequence in range(1, count + 1):
        snapshots = [opened_of(number, sequence, request(sequence, families, scrapes)) for number in range(PODS)]
        fragments: list[Fragment] = []
        before = time.process_time()
        for opened in snapshots:
            made = sink.make(opened, states.get(opened.pod.uid), Moment(Join.SAME_RUN))
            states[opened.pod.uid] = made.state
            fragments += made.fragments
        sizes = [len(body.content) for body in bodies_of(fragments)]
        found.append((time.process_time() - before, len(fragments), sum(sizes)))
    return found


def row(what: str, measured: list[tuple[float, int, int]]) -> Row:
    rates = sorted(series / seconds for seconds, series, _ in measured)
    size = sum(size_bytes for _, _, size_bytes in measured) / sum(series for _, series, _ in measured)
    middle = rates[len(rates) // 2]
    return Row(
        what=f"remote write: {what}",
        measured=f"{middle:,.0f} series/s ({rates[0]:,.0f} to {rates[-1]:,.0f}), {size:.0f} bytes each on the wire",
        aim=AIM,
    )


def measure(options: Options) -> list[Row]:
    """Series a second and core: of pods that are known, and as it is for pods that are new or beyond those kept prepared."""
    kinds: Mapping[str, tuple[tuple[Family, ...], tuple[Scrape, ...]]] = {
        "what the samplers say": (sampled_families(SERIES_OF_A_POD), ()),
        "what an app exposes": ((), (scrape_of(scraped_text(SERIES_OF_A_POD)),)),
    }
    count = 2 * options.runs + 1
    rows = []
    for what, (families, scrapes) in kinds.items():
        rows.append(row(f"{what}, {PODS} pods of {SERIES_OF_A_POD}", rounds(families, scrapes, count)[1:]))
    kept, making.MAX_PREPARED_BYTES = making.MAX_PREPARED_BYTES, 0
    try:
        for what, (families, scrapes) in kinds.items():
            rows.append(row(f"{what}, nothing kept prepared", rounds(families, scrapes, count)))
    finally:
        making.MAX_PREPARED_BYTES = kept
    return rows


if __name__ == "__main__":
    raise SystemExit(main(measure))
