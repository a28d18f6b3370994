"""What the door says while its journal is full, down or leaving: come again, and nothing is acknowledged."""

import asyncio

from aggregator.core.pace import Pace
from aggregator.journal import JournalDownError, JournalFullError
from tests.aggregator.forwarding import frame_of
from tests.aggregator.serving import serving
from towline.wire.block import Delivered


async def test_a_full_journal_says_when_to_come_again_and_what_was_delivered(tmp_path):
    async with serving(tmp_path, share_bytes=1) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"two\n", start=4))
        assert (reply.status, int(reply.headers["Retry-After"]) > 0) == (503, True)
        assert "out" in reply.blocks.error
        stop = asyncio.Event()
        stop.set()
        async with asyncio.timeout(10):
            await place.forwarder.run(stop)
        place.intake.journal = FullJournal(place.journal)
        full = await place.caller.post(frame_of(b"two\n", start=4))
        assert (full.status, full.blocks.delivered) == (503, (Delivered("s", 0, 4),))


class FullJournal:
    """The journal behind it, at a moment when it takes nothing."""

    def __init__(self, journal, error=None):
        self._journal = journal
        self._error = error or JournalFullError("journal: full", 3.2, "out")

    def __getattr__(self, name):
        return getattr(self._journal, name)

    async def append(self, submission):
        raise self._error


async def test_a_journal_that_is_down_acknowledges_nothing(tmp_path):
    async with serving(tmp_path) as place:
        place.intake.journal = FullJournal(place.journal, JournalDownError("gone"))
        reply = await place.caller.post(frame_of(b"one\n"))
    assert reply.status == 503


async def test_a_journal_that_cannot_even_be_read_is_busy(tmp_path):
    class Unreadable(FullJournal):
        async def moved(self, pod_uid, since):
            raise JournalFullError("journal: locked", 1.0)

    async with serving(tmp_path) as place:
        place.intake.journal = Unreadable(place.journal)
        reply = await place.caller.post(frame_of(b"one\n"))
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")


async def test_an_answer_names_the_journal_that_stored_the_frames(tmp_path):
    class Replaced(FullJournal):
        def __init__(self, journal):
            self._journal = journal
            self.journal_id = journal.journal_id

        async def append(self, submission):
            self.journal_id = "another"
            return await self._journal.append(submission)

    async with serving(tmp_path) as place:
        place.intake.journal = Replaced(place.journal)
        reply = await place.caller.post(frame_of(b"one\n"))
    assert (reply.status, reply.blocks.journal) == (200, place.journal.journal_id)


async def test_retry_after_is_never_less_than_the_journal_says(tmp_path):
    async with serving(tmp_path) as place:
        place.intake.journal = FullJournal(place.journal)
        reply = await place.caller.post(frame_of(b"one\n"))
    assert reply.headers["Retry-After"] == "4"


async def test_who_leaves_takes_no_bytes_but_answers_marks(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        place.intake.leaving = True
        refused = await place.caller.post(frame_of(b"two\n", start=4))
        empty = await place.caller.post()
        marks = await place.caller.call("GET", "/v1/marks?pod=uid-web-1")
        ready = await place.caller.call("GET", "/readyz")
    assert (refused.status, refused.blocks.leaving, refused.blocks.frames) == (503, True, ())
    assert (empty.status, empty.blocks.leaving) == (200, True)
    assert (marks.marks.leaving, [row.mark for row in marks.marks.rows]) == (True, [4])
    assert ready.status == 503


async def test_collectors_are_asked_to_gather_when_requests_come_too_fast(tmp_path):
    async with serving(tmp_path, pace=Pace(0.1)) as place:
        reply = await place.caller.post(frame_of(b"one\n"))
    assert reply.blocks.next_ms > 0
