"""A collector on whose pod another one writes: it stands by, and says so once."""

import structlog

from collector.shipper import KEPT_OUT
from tests.fakes.aggregator import Believed, Said, listening
from tests.fakes.pod import collecting

LINES = b"one\ntwo\nthree\n"


async def test_it_says_so_once_and_once_when_it_is_let_in(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        with structlog.testing.capture_logs() as said:
            await pod.turn(2)
            for _ in range(2):
                await one_stay_outside(pod, aggregator)
        assert aggregator.text() == LINES * 2
    events = [(one["event"], one["log_level"]) for one in said]
    kept_out, let_in = ("collector_kept_out", "warning"), ("collector_let_in", "warning")
    assert [one for one in events if one in (kept_out, let_in)] == [kept_out, let_in] * 2
    assert [event for event, _ in events].count("journal_met") == 1


async def one_stay_outside(pod, aggregator):
    asked = pod.progress.requests["kept_out"]
    pod.write("x.log", LINES)
    aggregator.refuse = Said(421, aggregator.journal.marks())
    await pod.turn(1)
    assert (pod.progress.waiting_for, pod.progress.requests["kept_out"] - asked) == ("", 1)
    await pod.turn(9)
    assert (pod.progress.waiting_for, pod.progress.requests["kept_out"] - asked) == (KEPT_OUT, 10)
    aggregator.refuse = None
    await pod.turn(2)
    assert pod.progress.waiting_for == ""
