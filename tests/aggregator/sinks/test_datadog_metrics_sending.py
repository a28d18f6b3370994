"""Metrics on their way to Datadog, through the real forwarder and journal to a strict intake: each answer has its meaning, and nothing counts twice."""

import json
import random
from collections import defaultdict

import pytest
from backports import zstd

from aggregator.metric_sink import Terms
from aggregator.sinks.datadog.config import DatadogConfig
from aggregator.sinks.datadog.metric_options import DatadogMetricsConfig
from aggregator.sinks.datadog.sink import DatadogSink
from tests.aggregator.pointing import START_UNIX, PodTeller
from tests.aggregator.sinks.batches import surroundings
from tests.aggregator.sinks.datadog_points import inflated
from tests.aggregator.sinks.to_datadog import MetricsStage
from tests.fakes.datadog_intake import IntakeOptions
from tests.fakes.datadog_oracles import check_metrics_with_client_models
from tests.fakes.script import Answer, Hang, MaxBytes, Poison, RandomFaults, Recorded, Reset, Script
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError
from towline.wire.snapshot import Distribution, Event, Family, ServiceCheck

SERIES = "/api/v2/series"


@pytest.fixture
def stage_of(tmp_path, session):
    return lambda options=None, **sink: MetricsStage(tmp_path, session, options, **sink)


async def test_points_of_many_pods_go_in_one_request_in_the_documents_own_encoding(stage_of):
    async with stage_of() as stage:
        for number in range(30):
            await stage.tell(PodTeller(f"web-{number}"), {"hits_total": 5}, gauges={"g": 1}, from_zero=True)
        state = await stage.deliver()
        posts = [one for one in stage.intake.requests if one.path == SERIES]
        assert len(posts) <= 4  # one for each lane
        assert {one.headers["content-encoding"] for one in posts} == {"zstd1"}
        assert (state.delivered_lines, len(stage.entries())) == (60, 60)
        check_metrics_with_client_models("series", stage.entries())


async def test_each_kind_goes_to_its_own_intake(stage_of):
    async with stage_of() as stage:
        pod = PodTeller()
        request = pod.snapshot({})
        family = Family(
            name="size",
            type="histogram",
            help="",
            source="dogstatsd",
            flavour="distribution",
            from_zero=True,
            distributions=(Distribution({}, 2.0, 3.0, 0.0, {1: 2}),),
        )
        now = int(pod.unix)
        events = tuple(Event(title=f"t{n}", text="x", unix_seconds=now) for n in range(3))
        checks = tuple(ServiceCheck(name=f"c{n}", status=n, unix_seconds=now) for n in range(3))
        stage.scene.now_unix = pod.unix
        await stage.scene.say(
            pod.pod, type(request)(**{**_fields(request), "families": (family,), "events": events, "checks": checks})
        )
        await stage.deliver()
        assert {kind: len(taken) for kind, taken in stage.intake.taken.items()} == {
            **dict.fromkeys(("logs", "series"), 0),
            "distributions": 1,
            "events": 3,
            "checks": 3,
        }
        assert {one.headers.get("content-type") for one in stage.intake.requests if "distribution" in one.path} == {
            "text/json"
        }
        for kind in ("distributions", "events", "checks"):
            check_metrics_with_client_models(kind, stage.entries(kind))


def _fields(struct):
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


@pytest.mark.parametrize(
    "behaviour",
    [
        *(Answer(status) for status in (404, 408, 429, 500, 503)),
        Answer(200, {"Content-Type": "text/html"}, "<html>please log in"),
        *(Reset(), Recorded("cut"), Recorded("answer", 503)),
    ],
)
async def test_what_may_pass_later_is_sent_again_with_the_same_points(stage_of, behaviour):
    async with stage_of() as stage:
        pod = PodTeller()
        stage.intake.play(behaviour)
        for value in (5, 9):
            await stage.tell(pod, {"hits_total": value}, gauges={"g": 1}, from_zero=True)
        state = await stage.deliver()
        assert stage.intake.points.count("hits_total") == 9
        assert dict(state.refused) == {}
        bodies = [one["points"] for one in stage.entries()]
        assert bodies[:4] == bodies[-4:]


async def test_429_is_waited_out_as_long_as_it_says(stage_of):
    async with stage_of() as stage:
        stage.intake.play(Answer(429, {"X-RateLimit-Reset": "9"}))
        await stage.tell(PodTeller(), {}, gauges={"g": 1})
        await stage.deliver()
        assert stage.scene.waits.seconds == [9]


async def test_a_silent_intake_costs_time_only(stage_of):
    async with stage_of(timeout_seconds=0.2) as stage:
        stage.intake.play(Hang())
        await stage.tell(PodTeller(), {}, gauges={"g": 1})
        await stage.deliver()
        assert len(stage.entries()) == 1


async def test_413_is_halved_until_it_fits(stage_of):
    async with stage_of() as stage:
        stage.intake.play(then=MaxBytes(3_000))
        await stage.tell(PodTeller(), {}, gauges={f"g{n}": n for n in range(100)})
        await stage.deliver()
        assert len(stage.entries()) == 100
        assert 413 in stage.statuses


async def test_of_a_poisoned_body_the_one_series_is_refused_and_counted(stage_of):
    async with stage_of() as stage:
        stage.intake.play(then=Poison("g7x"))
        gauges = {f"g{n}x": n for n in range(20)}
        await stage.tell(PodTeller(), {}, gauges=gauges)
        state = await stage.deliver()
        assert (len(stage.entries()), dict(state.refused)) == (19, {"rejected": 1})


async def test_a_refused_key_holds_and_a_good_one_releases(stage_of):
    async with stage_of() as stage:
        body = stage.sink.pack("series", [b'{"metric":"a","type":3,"points":[{"timestamp":1000000,"value":1}]}'])
        stage.scene.now_unix = 1_000_000
        stage.intake.api_key = "rotated"
        with pytest.raises(UnauthorizedError, match="the API key") as caught:
            await stage.sink.send("series", body)
        assert "test-api-key" not in str(caught.value)
        with pytest.raises(UnauthorizedError):
            await stage.sink.healthcheck()
        (stage.folder / "key").write_text("rotated")
        await stage.sink.healthcheck()
        await stage.sink.send("series", body)
        stage.intake.play(Answer(403))
        with pytest.raises(RetryableError, match="403"):
            await stage.sink.send("series", body)


async def test_an_intake_without_zstd_gets_gzip_from_then_on(stage_of):
    async with stage_of(IntakeOptions(encodings=frozenset({"gzip", "identity", "deflate"}))) as stage:
        stage.intake.play(Answer(415))
        early = stage.sink.pack("series", [b'{"metric":"a","type":3,"points":[{"timestamp":1000000,"value":1}]}'])
        stage.scene.now_unix = 1_000_000
        await stage.sink.send("series", early)
        await stage.sink.send("series", early)
        await stage.sink.send(
            "series", stage.sink.pack("series", [b'{"metric":"b","points":[{"timestamp":1,"value":1}]}'])
        )
        encodings = [one.headers["content-encoding"] for one in stage.intake.requests]
        assert encodings == ["zstd1", "gzip", "gzip", "gzip"]


@pytest.mark.parametrize("compression", ["gzip", "identity"])
async def test_other_encodings_can_be_chosen(stage_of, compression):
    async with stage_of(compression=compression) as stage:
        await stage.tell(PodTeller(), {}, gauges={"g": 1})
        await stage.deliver()
        [post] = [one for one in stage.intake.requests if one.path == SERIES]
        assert post.headers.get("content-encoding", "identity") == compression


async def test_what_is_over_the_intakes_size_is_not_sent(stage_of):
    async with stage_of() as stage:
        noise = random.Random(7)
        names = [b"".join(b"%c" % noise.randrange(97, 123) for _ in range(100)) for _ in range(9_000)]
        bodies = [b'{"metric":"%b","points":[{"timestamp":1,"value":1}]}' % name for name in names]
        packed = stage.sink.pack("series", bodies)
        assert packed.raw_bytes < 5_242_880
        with pytest.raises(TooLargeError):
            await stage.sink.send("series", packed)
        with pytest.raises(TooLargeError):
            await stage.sink.send("series", stage.sink.pack("series", bodies * 6))
        assert stage.intake.requests == []


async def test_a_large_snapshot_goes_in_several_requests(stage_of):
    async with stage_of() as stage:
        await stage.tell(PodTeller(), {}, gauges={f"gauge_number_{n}": n for n in range(9_900)})
        for number in range(3):
            await stage.tell(PodTeller(f"w-{number}"), {}, gauges={f"gauge_number_{n}": n for n in range(900)})
        await stage.deliver()
        assert len(stage.entries()) == 9_900 + 2_700
        assert set(stage.statuses) == {202}


async def test_a_400_for_one_body_does_not_end_zstd(stage_of):
    async with stage_of() as stage:
        stage.intake.play(Answer(400), Answer(400))
        body = stage.sink.pack("series", [b'{"metric":"a","points":[{"timestamp":1,"value":1}]}'])
        with pytest.raises(RejectedError):
            await stage.sink.send("series", body)
        await stage.sink.send("series", body)
        assert [one.headers["content-encoding"] for one in stage.intake.requests] == ["zstd1", "gzip", "zstd1"]


async def test_points_above_an_hour_are_counted_and_not_sent_and_no_count_is_lost(stage_of):
    async with stage_of() as stage:
        pod = PodTeller()
        await stage.tell(pod, {"hits_total": 5}, gauges={"g": 1}, from_zero=True)
        stage.scene.now_unix = START_UNIX + 3 * 3600
        state = await stage.deliver()
        assert dict(state.refused) == {"too_old": 1}
        assert stage.statuses == []
        pod.unix = stage.scene.now_unix
        await stage.tell(pod, {"hits_total": 7}, gauges={"g": 2}, from_zero=True)
        await stage.deliver()
        assert (stage.intake.points.count("hits_total"), stage.intake.points.last("g")) == (7, 2)
        assert all(one.flags == () for one in stage.intake.taken["series"])


async def test_counters_of_pods_that_restart_add_up_whatever_the_intake_and_the_aggregator_do(stage_of):
    dice = random.Random(20)
    faults = (Answer(503), Reset(), Recorded("cut"), Recorded("answer", 500))
    async with stage_of() as stage:
        stage.intake.script = Script(then=RandomFaults(0.4, 3, faults))
        pods = [PodTeller(f"web-{n}") for n in range(5)]
        totals, true = defaultdict(int), defaultdict(int)
        for step in range(40):
            for pod in pods:
                if dice.random() < 0.1:  # its collector, or all of it, starts again
                    pod.run, pod.sequence, totals[pod.name] = f"r{step}", 0, 0
                more = dice.randrange(5)
                totals[pod.name] += more
                true[pod.name] += more
                await stage.tell(pod, {"hits_total": totals[pod.name]}, gauges={"g": step}, from_zero=True)
            if dice.random() < 0.5:
                await stage.deliver()
            if dice.random() < 0.2:
                await stage.scene.restart()
        stage.intake.play()
        await stage.deliver()
        counted = {name: stage.intake.points.count("hits_total", f"pod_name:{name}") for name in true}
        assert counted == true


async def test_a_body_is_the_same_each_time_it_is_packed(stage_of):
    async with stage_of() as stage:
        bodies = [b'{"metric":"a","points":[[1,[1,2]]]}', b'{"metric":"b","points":[[1,[1,2]]]}']
        for route in ("series", "distributions", "checks"):
            assert stage.sink.pack(route, bodies) == stage.sink.pack(route, bodies)
        packed = stage.sink.pack("series", bodies)
        assert json.loads(zstd.decompress(packed.body))["series"][1]["metric"] == "b"
        assert inflated(stage.sink.pack("distributions", bodies))["series"][0]["metric"] == "a"


async def test_metrics_can_be_switched_off(session, tmp_path):
    (tmp_path / "key").write_text("k")
    config = DatadogConfig(api_key_file=str(tmp_path / "key"), metrics=DatadogMetricsConfig(send="none"))
    assert DatadogSink.build(config, surroundings(session)).metrics is None


async def test_a_part_of_the_journal_and_what_happens_there_are_the_metrics_own(stage_of):
    async with stage_of(metrics=DatadogMetricsConfig(share=0.02, when_full="hold", max_age_seconds=600)) as stage:
        assert stage.sink.terms == Terms(0.02, "hold")
        assert stage.sink.max_age_seconds == 600
        assert stage.sink.end("uid", "state", 0).state == "state"
