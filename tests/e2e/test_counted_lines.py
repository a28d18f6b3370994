"""What rules count of lines, pushed: three destinations have each line once, whatever the aggregator dies of, and how it leaves."""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.procs import ROOT, fetch, wait_until
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, FrontOptions, MotoThread
from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions
from tests.fakes.remote_write_receiver import RemoteWriteReceiver, is_stale

pytestmark = pytest.mark.e2e

OPENAPI = Path(
    os.environ.get("TOWLINE_DATADOG_OPENAPI") or ROOT.parent / "shared" / "contracts" / "datadog-openapi.yaml"
)
KILLS = [
    *(("journal.before_commit", 20), ("forwarder.after_2xx", 11), ("forwarder.before_settle", 5)),
    pytest.param("journal.after_commit", 21, marks=pytest.mark.long),
    pytest.param("forwarder.after_2xx", 4, marks=pytest.mark.long),
    pytest.param("forwarder.before_settle", 12, marks=pytest.mark.long),
]
LINE = r'^\{"w":"(?P<w>[^"]+)","n":(?P<n>\d+),'
LINES, LASTS = "written_lines_total", "written_values"
RULES = [
    {"name": LINES, "type": "counter", "match": LINE, "labels": {"w": "w"}},
    {"name": LASTS, "type": "histogram", "match": LINE, "value": "n", "buckets": [99, 499], "per": "workload"},
]
WRITING = ["--files", 2, "--rate", 600, "--rotate", "rename", "--rotate-bytes", 50_000, "--keep", 20]
WRITTEN = 900
ARRIVAL_SECONDS = 30


class Destinations:
    """Datadog, CloudWatch and a receiver of remote write, and what each of them has."""

    def __init__(self, stage, backstage):
        self.intake = backstage.enter(DatadogIntake(IntakeOptions(openapi=OPENAPI if OPENAPI.exists() else None)))
        moto = stage.stack.enter_context(MotoThread())
        self.front = backstage.enter(CloudWatchFront(FrontOptions(moto_url=moto.url)))
        self.receiver = backstage.enter(RemoteWriteReceiver())
        key = stage.folder / "api-key"
        key.write_text(self.intake.api_key)
        url = self.intake.url
        self.sinks = {
            "counts": {"type": "log_metrics", "rules": RULES, "push_seconds": 1, "aggregator": "agg"},
            "prom": {"type": "prometheus"},
            "dd": {"type": "datadog", "logs_url": url, "api_url": url, "api_key_file": str(key), "timeout_seconds": 3},
            "cw": {
                "type": "cloudwatch",
                "region": "eu-central-1",
                "endpoint_url": self.front.url,
                "timeout_seconds": 3,
                "metrics": {"include": ["written_*"], "app_dimensions": [["Namespace", "FullPodName", "*"]]},
            },
            "rw": {"type": "remote_write", "url": self.receiver.url + "/api/v1/write"},
        }

    def aggregator(self, stage):
        service = stage.aggregator(sinks=self.sinks, routes=[{"to": ["counts"]}])
        none = str(stage.folder / "none")
        service.environment |= {
            "AWS_ACCESS_KEY_ID": Credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": Credentials.secret_key,
            "AWS_CONFIG_FILE": none,
            "AWS_SHARED_CREDENTIALS_FILE": none,
        }
        return service

    def have(self):
        """Of each: lines by writer, and values of the histogram."""
        points = self.intake.points
        writers = {tag for key in points.series if key.metric == LINES for tag in key.tags if tag.startswith("w:")}
        at_datadog = {tag[2:]: points.count(LINES, tag, "pod_name:web-0", "aggregator:agg") for tag in writers}
        at_datadog[LASTS] = points.count(f"{LASTS}.count", "workload:web", "aggregator:agg")
        return {"datadog": at_datadog, "cloudwatch": self._at_cloudwatch(), "remote_write": self._at_remote_write()}

    def _at_cloudwatch(self):
        """What came twice after an answer that nobody saw is the same, and left out."""
        once = {}
        for datum in list(self.front.metrics):
            said = datum.total if datum.name == LINES else datum.count
            assert once.setdefault((datum.name, datum.dimensions, datum.time_ms), said) == said
        found = Counter()
        for (name, dimensions, _), said in once.items():
            own = dict(dimensions)
            assert "aggregator" not in own
            found[own["w"] if name == LINES else LASTS] += said
        return dict(found)

    def _at_remote_write(self):
        found = {}
        for labels, samples in list(self.receiver.series.items()):
            own = dict(labels)
            if own["__name__"] in {LINES, f"{LASTS}_count"}:
                values = [value for _, value in samples if not is_stale(value)]
                assert values == sorted(values)  # a total never falls
                assert own["aggregator"] == "agg"
                found[own.get("w", LASTS)] = values[-1]
        return found


@pytest.fixture
def destinations(stage, backstage):
    return Destinations(stage, backstage)


def assert_exact(destinations, written):
    wanted = {**written["lines"], LASTS: sum(written["lines"].values())}
    wanted = dict.fromkeys(("datadog", "cloudwatch", "remote_write"), wanted)
    wait_until(lambda: destinations.have() == wanted or None, ARRIVAL_SECONDS, f"{wanted}, not {destinations.have()}")
    assert destinations.front.emf_faults == []
    assert {one.status for one in destinations.intake.requests if one.reason} == set()


@pytest.mark.parametrize(("point", "passes"), KILLS)
def test_an_aggregator_that_dies_there_tells_each_destination_of_every_line_once(stage, destinations, point, passes):
    aggregator = destinations.aggregator(stage)
    aggregator.environment["TOWLINE_KILL_AT"] = f"{point}:{passes}"
    stage.run(aggregator).wait_ready()
    stage.run(stage.collector())
    with stage.writer(*WRITING, lines=WRITTEN) as writer:
        assert aggregator.wait(30) == -9
        del aggregator.environment["TOWLINE_KILL_AT"]
        aggregator.start().wait_ready()
        assert writer.wait(30) == 0
    assert_exact(destinations, stage.written_and_delivered())


def test_an_aggregator_that_leaves_tells_of_its_last_lines_first(stage, destinations):
    destinations.sinks["counts"]["push_seconds"] = 3600
    aggregator = stage.run(destinations.aggregator(stage))
    aggregator.wait_ready()
    stage.run(stage.collector()).wait_ready()
    stage.append("x.log", b'{"w":"a","n":5,"x":0}\n' * 7)
    wait_until(lambda: f'{LINES}{{namespace="shop",pod="web-0",w="a"}} 7' in page(stage), ARRIVAL_SECONDS, "the page")
    assert destinations.have()["datadog"] == {LASTS: 0}
    assert aggregator.terminate() == 0
    assert destinations.have() == {name: {"a": 7, LASTS: 7} for name in ("datadog", "cloudwatch", "remote_write")}


def test_the_page_does_not_wait_for_owners_of_totals_after_a_restart(stage, destinations):
    aggregator = stage.run(destinations.aggregator(stage))
    aggregator.wait_ready()
    stage.run(stage.collector()).wait_ready()
    stage.append("x.log", b'{"w":"a","n":5,"x":0}\n')
    wait_until(lambda: destinations.have()["remote_write"].get("a") == 1, ARRIVAL_SECONDS, "what was pushed")
    aggregator.restart()
    assert fetch(f"{stage.aggregator_url}/metrics")[0] == 200


def page(stage):
    return fetch(f"{stage.aggregator_url}/metrics")[1]
