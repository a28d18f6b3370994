"""Real receivers of remote write: what a pod said is queried back, and what ended is gone; a bad series takes no good one with it."""

import time

import aiohttp
import pytest

from aggregator.core.series import Row
from aggregator.sinks.remote_write.config import RemoteWriteConfig
from aggregator.sinks.remote_write.encoding import metadata
from aggregator.sinks.remote_write.receiver import Body
from aggregator.sinks.remote_write.sink import RemoteWriteSink
from tests.aggregator.pointing import PodTeller, Scene, opening
from tests.aggregator.sinks.batches import surroundings
from tests.aggregator.sinks.to_remote_write import NOW, START_MS, family, send, snapshot
from tests.e2e.procs import wait_until
from tests.e2e.receivers import RECEIVERS

pytestmark = pytest.mark.e2e

STEP_SECONDS = 15.0


@pytest.fixture
def receiver(request, tmp_path):
    with request.param(tmp_path) as receiver:
        yield receiver


@pytest.fixture
async def sink(receiver):
    async with aiohttp.ClientSession() as session:
        config = RemoteWriteConfig(url=receiver.write_url, external_labels={"cluster": "main"}, lanes=2)
        yield RemoteWriteSink.build(config, surroundings(session)).metrics


@pytest.fixture
async def scene(tmp_path, sink):
    """A real journal and a real forwarder between the pods and the receiver."""
    scene = Scene(tmp_path, sink)
    scene.now_unix = time.time()
    yield scene
    await scene.journal.close()


def pod_since(seconds, name="web-1"):
    """A pod whose first snapshot was taken so long ago."""
    return PodTeller(name, unix=int(time.time()) - seconds - STEP_SECONDS)


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_what_pods_said_is_queried_back_with_its_labels_and_times(receiver, sink, scene):
    await sink.healthcheck()
    await sink._receiver.post(Body.of(metadata("hits_total", "counter", "Hits.", ""), 0, hashed=False))
    pods = [pod_since(120, name) for name in ("web-1", "web-2")]
    for value in (1, 5, 9):
        for pod in pods:
            await scene.tell(pod, {"hits_total": value}, gauges={"temp": -value / 4})
    state = await scene.deliver_all()
    assert (state.delivered_lines, dict(state.refused)) == (12, {})
    newest = pods[0].unix
    found = dict(receiver.query('hits_total{pod="web-1"}', newest + 1)[0][0])
    identity = {"namespace": "shop", "pod": "web-1", "job": "towline", "instance": "web-1", "cluster": "main"}
    assert found == {**identity, "__name__": "hits_total"}
    for back, value in enumerate((9, 5, 1)):
        at = newest - back * STEP_SECONDS + 0.5
        assert receiver.values("hits_total", at) == [value, value]
        assert receiver.values('temp{pod="web-2"}', at) == [-value / 4]
    assert receiver.values("sum(increase(hits_total[1m]))", newest + 0.5)[0] > 0


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_a_series_ends_where_the_next_snapshot_has_it_no_more(receiver, scene):
    pod = pod_since(120)
    await scene.tell(pod, {}, gauges={"stays": 1, "goes": 2})
    await scene.tell(pod, {}, gauges={"stays": 1})
    await scene.deliver_all()
    assert receiver.values("goes", pod.unix - 1) == [2]
    assert receiver.values("goes", pod.unix + 1) == []
    assert receiver.values("stays", pod.unix + 1) == [1]


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_all_series_end_with_a_goodbye_and_no_other_pods(receiver, scene):
    pod, other = pod_since(120), pod_since(120, "web-2")
    for one in (pod, other):
        await scene.tell(one, {}, gauges={"temp": 1})
    await scene.tell(pod, {}, gauges={"temp": 2}, goodbye=True)
    await scene.deliver_all()
    assert receiver.values("temp", pod.unix) == [1, 2]
    assert [labels["pod"] for labels, _ in receiver.query("temp", pod.unix + 1)] == ["web-2"]


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_all_series_end_with_silence_and_begin_again_when_the_pod_comes_back(receiver, scene):
    pod = pod_since(120)
    await scene.tell(pod, {}, gauges={"temp": 1})
    await scene.run_lanes()
    scene.waits.now += 61
    assert await scene.run_lanes() == ["(ends)"]
    assert receiver.values("temp", pod.unix + 1) == []
    await scene.tell(pod, {}, gauges={"temp": 3})
    await scene.run_lanes()
    assert receiver.values("temp", pod.unix + 1) == [3]


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
@pytest.mark.parametrize("snapshots", [1, 2])
async def test_what_is_sent_again_after_a_crash_changes_nothing(receiver, sink, scene, tmp_path, snapshots):
    pods = [pod_since(120, f"web-{number}") for number in range(3)]
    said = [(pod.pod, pod.snapshot({"hits_total": n}, gauges={"a": 1})) for pod in pods for n in range(snapshots)]
    states = []
    for life in ("first", "again"):  # before anything was settled the journal was as it is for the second
        (tmp_path / life).mkdir()
        journal = Scene(tmp_path / life, sink)
        journal.now_unix = time.time()
        for pod, request in said:
            await journal.say(pod, request)
        states.append(await journal.deliver_all())
        await journal.journal.close()
    assert dict(states[0].refused) == {}
    # Prometheus knows only the newest sample again; older ones it has are "out of order".
    assert states[1].refused["out_of_order"] == (6 if receiver.is_strict and snapshots > 1 else 0)
    assert receiver.values("hits_total", pods[0].unix + 1) == [snapshots - 1] * 3
    assert receiver.values("count_over_time(a[5m])", pods[0].unix + 1) == [snapshots] * 3


@pytest.mark.parametrize("receiver", RECEIVERS[:1], indirect=True)
async def test_a_series_that_prometheus_refuses_takes_no_good_one_with_it(receiver, sink, scene):
    """A stranger writes one of our series, ahead of us: that one is refused and counted, all others arrive."""
    pod = pod_since(120)
    [ahead] = sink.make(opening(pod.pod, pod.snapshot({}, gauges={"spoiled": 1})), None, NOW).fragments
    pod.unix -= STEP_SECONDS * 2
    await sink.send("series", sink.pack("series", [ahead.body]))
    await scene.tell(pod, {}, gauges={"a": 1, "b": 2, "spoiled": 3, "c": 4, "d": 5})
    state = await scene.deliver_all()
    assert dict(state.refused) == {"out_of_order": 1}
    assert state.delivered_lines == 4
    assert receiver.values('{__name__=~"a|b|c|d"}', pod.unix + 1) == [1, 2, 4, 5]


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_a_histogram_answers_a_quantile(receiver, sink):
    taken = int(time.time()) - 60
    for at, counts in ((0, (0, 0, 0)), (15, (5, 9, 10))):
        rows = [
            Row("lat_bucket", f'le="{bound}"', str(count))
            for bound, count in zip(("0.1", "1", "+Inf"), counts, strict=True)
        ]
        rows += [Row("lat_sum", "", str(counts[2] / 2)), Row("lat_count", "", str(counts[2]))]
        said = snapshot(taken + at - START_MS / 1000, family("lat", *rows, kind="histogram"))
        await send(sink, sink.make(said, None, NOW))
    [median] = receiver.values("histogram_quantile(0.5, sum by (le) (increase(lat_bucket[1m])))", taken + 16)
    assert median == pytest.approx(0.1)


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
def test_a_pods_metrics_reach_the_receiver_and_end_with_the_pod(receiver, stage):
    sinks = {
        "file": {"type": "file", "path": "out/{pod}.jsonl"},
        "rw": {"type": "remote_write", "url": receiver.write_url, "job": "kubelet"},
    }
    collector, _ = stage.start({"metrics": {"interval_seconds": 1}}, {"sinks": sinks})
    mine = 'container_memory_working_set_bytes{namespace="shop",pod="web-0",job="kubelet"}'
    wait_until(lambda: receiver.query(mine, time.time()), 20, "the pod's memory")
    wait_until(lambda: receiver.query("rate(container_cpu_usage_seconds_total[30s])", time.time()), 20, "its CPU")
    assert collector.terminate() == 0
    wait_until(lambda: not receiver.query(mine, time.time() + 1), 20, "the end of its series")
    assert stage.status()["sinks"]


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
def test_what_waited_while_the_receiver_was_down_and_the_aggregator_was_killed_arrives_with_its_times(receiver, stage):
    receiver.service.kill()
    sinks = {
        "file": {"type": "file", "path": "out/{pod}.jsonl"},
        "rw": {"type": "remote_write", "url": receiver.write_url},
    }
    _, aggregator = stage.start({"metrics": {"interval_seconds": 0.5}}, {"sinks": sinks})
    # From its first snapshot on: a collector that came before its aggregator may wait a second or two for it.
    wait_until(lambda: stage.status()["sinks"]["rw.metrics"]["owed_blocks"], 20, "the first snapshot")
    began = time.time()
    wait_until(lambda: time.time() > began + 3, 10)
    aggregator.kill()
    aggregator.start().wait_ready()
    mine = 'container_memory_working_set_bytes{pod="web-0"}'
    with receiver:
        wait_until(lambda: receiver.query(mine, time.time()), 60, "the pod's memory")
        [early] = receiver.values(f"count_over_time({mine}[3s])", began + 3)
        assert 4 <= early <= 7
