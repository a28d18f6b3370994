"""What rules count of a pod's lines stands beside the pod's own series: neither ends, nor hides, the other."""

import struct

from msgspec.structs import replace

from aggregator.core.counted import COUNTED_UID
from aggregator.sinks.remote_write import making as module
from aggregator.sinks.remote_write.encoding import STALE
from tests.aggregator.sinks.to_remote_write import NOW, START_MS, WEB, family, gauges, making, read, sink_to, snapshot
from tests.fakes.remote_write_receiver import RemoteWriteReceiver

OWNER = replace(WEB, uid=f"{COUNTED_UID}counts:0123")
END_NS = (START_MS + 60_000) * 1_000_000


def ended(made):
    return sorted(labels["__name__"] for labels, _, value in read(made) if struct.pack("<d", value) == STALE)


def test_a_pod_that_fell_silent_ends_though_its_lines_are_still_told_of():
    sink = making()
    of_pod = sink.make(gauges(0, own=1), None, NOW)
    of_lines = sink.make(gauges(15, pod=OWNER, counted=2), None, NOW)
    assert ended(sink.end(WEB.uid, of_pod.state, END_NS)) == ["own"]
    assert ended(sink.end(OWNER.uid, of_lines.state, END_NS)) == ["counted"]


def test_both_are_prepared_once_and_not_in_turns(monkeypatch):
    sink, states = making(), {}

    def say(at):
        for pod, values in ((WEB, {"own": at}), (OWNER, {"counted": at})):
            states[pod.uid] = sink.make(gauges(at, pod=pod, **values), states.get(pod.uid), NOW).state

    say(0)
    monkeypatch.setattr(module.SeriesWriter, "labels", None)  # whoever asks for them again fails
    say(15)
    say(30)
    assert states.keys() == {WEB.uid, OWNER.uid}


async def test_only_the_sources_that_are_asked_for_are_sent():
    said = snapshot(
        0, *[family(f"of_{source}", ("", "1"), source=source) for source in ("pod", "scrape", "dogstatsd", "logs")]
    )
    async with RemoteWriteReceiver() as receiver:
        sink = sink_to(receiver, None, sources=("scrape", "logs"))
        assert [labels["__name__"] for labels, _, _ in read(sink.make(said, None, NOW))] == ["of_scrape", "of_logs"]
        assert sink.terms.of_lines
        assert not sink_to(receiver, None, sources=("pod",)).terms.of_lines
        assert len(read(sink_to(receiver, None).make(said, None, NOW))) == 4
