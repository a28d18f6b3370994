"""The services' own metrics, and the page of the guide that lists them."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from aggregator.core.events import Count
from aggregator.core.exposition import Exposition, Terms
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.forwarder.state import LaneState, SinkState
from aggregator.journal import Share
from aggregator.journal.words import Counters
from aggregator.metrics import ConfigurationMetrics, IntakeMetrics, ServiceMetrics
from collector.metrics import CONTENT_TYPE, OwnMetrics, Reading
from tests.aggregator.journal.world import frame, open_journal, pod, submission
from tests.fakes.pod import collecting
from towline.plumbing.reloading import ReloadState
from towline.wire.block import FrameAnswer
from towline.wire.snapshot import Family, Sample, SnapshotRequest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|(.*?)\| (.+) \|$", re.MULTILINE)


def listed(prefix):
    """name -> (type, labels), as the guide has it."""
    rows = ROW.findall(GUIDE.read_text())
    return {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows if name.startswith(prefix)
    }


def shown(page):
    """name -> (type, labels), as a scraper sees it. Families without a sample show no labels."""
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = (family.type, labels)
    return found


@pytest.fixture
def everything(tmp_path):
    """A collector that does all it can, and has counted something under every label."""
    return collecting(tmp_path, 9, metrics={"interval_seconds": 15, "dogstatsd": {"listen": ""}})


async def test_the_guide_lists_every_metric_of_the_collector_and_nothing_else(everything):
    async with everything as pod:
        pod.progress.requests["answered"] = pod.custody.counters["answers_200"] = 1
        pod.watcher._files._refusals.note("/x", "permission")
        pod.app._scrape.scrapes["up"] = pod.app._sampling.queue.dropped["series"] = 1
        pod.app._dogstatsd.table.refused["malformed"] = 1
        found = shown(pod.app._own_metrics.page())
    expected = listed("collector_")
    assert {name: (kind, set(labels)) for name, (kind, labels) in expected.items()} == found


async def test_the_guide_lists_every_metric_of_the_aggregator_and_nothing_else(tmp_path):
    journal = open_journal(tmp_path, shares={"main": Share("main", 1 << 20)})
    await journal.append(submission(frame(end=64), frame("s2", 0, 9, reason="hole")))
    state = SinkState(lanes={"lane": LaneState("lane")})
    state.refused["rejected"] = state.failures["timed_out"] = 1
    state.tally.update(Count(kind, "name", "reason") for kind in ("dropped", "unparsed", "time_unparsed", "cut"))
    registry = CollectorRegistry()
    intake = IntakeMetrics(registry)
    intake.requests.labels("blocks", "200").inc()
    intake.note([frame()], [FrameAnswer(stream="s", code=200)])
    registry.register(ServiceMetrics(journal, lambda: {"main": state}, lambda: 0.0))
    registry.register(ConfigurationMetrics(ReloadState))
    own = shown(OwnPage(registry).page())
    await journal.close()

    exposition = Exposition(Terms())
    sampled = Family(name="g", type="gauge", help="", samples=(Sample({"a": "1"}, 1.0), Sample({"a": "2"}, 1.0)))
    said = SnapshotRequest(
        journal="j", pod=b"", run="r", sequence=1, taken_unix_ns=1, interval_seconds=1.0, families=(sampled,)
    )
    exposition.push(open_snapshot(pod(), said, OpenLimits(max_series=1)), 0.0, 10**9)
    own |= {name: value for name, value in shown(b"".join(exposition.render())).items() if name != "g"}
    expected = listed("aggregator_") | listed("towline_")
    assert {name: (kind, set(labels)) for name, (kind, labels) in expected.items()} == own


class OwnPage:
    """The text page of a registry."""

    def __init__(self, registry):
        self.registry = registry

    def page(self):
        from prometheus_client.exposition import generate_latest

        return generate_latest(self.registry)


def test_the_guide_is_sorted_and_says_something_of_each():
    rows = ROW.findall(GUIDE.read_text())
    names = [name for name, *_ in rows]
    halves = (
        [name for name in names if name.startswith("collector_")],
        [name for name in names if name.startswith("aggregator_")],
    )
    assert all(half == sorted(half) for half in halves)
    assert all(len(meaning) > 10 for *_, meaning in rows)
    assert len(names) == len(set(names))


def test_every_counter_of_the_journal_has_a_metric():
    expected = {f"aggregator_journal_{one.name}_total" for one in fields(Counters) if one.name != "gaps"}
    assert expected <= listed("aggregator_").keys()


def test_a_page_is_prometheus_text():
    page = OwnMetrics(
        lambda: [
            Reading("a_bytes", "A.", {"": 5}),
            Reading("b", "B.", {"x": 1.5, "y": 0}, "kind", counter=False),
            Reading("c", "C.", {}, "kind"),
        ]
    ).page()
    assert b"# TYPE a_bytes_total counter\na_bytes_total 5.0\n" in page
    assert b'b{kind="x"} 1.5\nb{kind="y"} 0.0\n' in page
    assert b"# HELP c_total C." in page
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_every_page_reads_anew():
    values = iter([1, 2])
    metrics = OwnMetrics(lambda: [Reading("a", "A.", {"": next(values)}, counter=False)])
    assert (b"a 1.0" in metrics.page(), b"a 2.0" in metrics.page()) == (True, True)
