"""Rule 11: a sink that is down has a share of the journal, and no more; seen by a collector over HTTP."""

import pytest

from aggregator.journal import JournalFullError, Share
from tests.aggregator.forwarding import frame_of
from tests.aggregator.journal.world import MAIN, OTHER, frame, open_journal, submission, take_all
from tests.aggregator.serving import serving


def block(number, stream="s1"):
    return frame(stream, number * 1024, (number + 1) * 1024, packed=False)


async def journal_with(tmp_path, when_full):
    shares = {"main": Share("main", 5000, when_full), "other": Share("other", 1 << 20)}
    return open_journal(tmp_path, shares=shares)


async def test_rule_11_shed_drops_that_sinks_oldest_blocks_to_counted_gaps(tmp_path):
    journal = await journal_with(tmp_path, "shed")
    for number in range(8):
        await journal.append(submission(block(number), debts=(MAIN, OTHER)))
    assert [one.start // 1024 for one in await take_all(journal)] == [4, 5, 6, 7]
    assert len(await take_all(journal, OTHER)) == 8
    assert journal.status().gaps["shed"].bytes == 4096
    await journal.close()


async def test_rule_11_hold_closes_the_intake_and_names_the_sink_that_did_it(tmp_path):
    journal = await journal_with(tmp_path, "hold")
    for number in range(5):
        await journal.append(submission(block(number)))
    with pytest.raises(JournalFullError) as caught:
        await journal.append(submission(block(5)))
    assert (caught.value.sink, journal.status().closed_by) == ("main", "main")
    await journal.close()


async def test_rule_11_until_then_one_sink_that_is_down_never_delays_another(tmp_path):
    journal = await journal_with(tmp_path, "hold")
    for number in range(5):
        await journal.append(submission(block(number), debts=(MAIN, OTHER)))
    assert len(await take_all(journal, OTHER)) == 5
    await journal.close()


async def test_rule_11_a_closed_intake_answers_503_with_retry_after_and_names_the_sink(tmp_path):
    raw, start = b"x" * 50_000, 0
    async with serving(tmp_path, share_bytes=1000) as place:
        while True:
            reply = await place.caller.post(frame_of(raw, start))
            if reply.status == 503:
                break
            start += len(raw)
    assert int(reply.headers["Retry-After"]) > 0
    assert "out" in reply.blocks.error
