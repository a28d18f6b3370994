import asyncio
import io

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.auth import StaticTokens
from aggregator.body import Bodies
from aggregator.core.pace import Pace
from aggregator.core.route import Route, Routes
from aggregator.debtors import Debtors
from aggregator.journal import JournalDownError, JournalFullError
from tests.aggregator.forwarding import frame_of, pod_of
from tests.aggregator.serving import WIRE, raw, serving
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.secret import Secret
from towline.wire.block import MAX_BLOCK_BYTES, Code, Delivered, Frame
from towline.wire.codec import checksum_of, compress, decode_answer, encode_request
from towline.wire.identity import Origin
from towline.wire.snapshot import Family, Sample, SnapshotAnswer, SnapshotRequest


async def test_a_frame_is_stored_and_its_mark_answered(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"one\n"))
    assert (reply.status, reply.headers["Towline-Wire"]) == (200, "1")
    assert [(it.stream, it.code, it.mark, it.delivered) for it in reply.blocks.frames] == [("s", 200, 4, 0)]


async def test_the_same_frame_again_is_answered_and_not_stored_twice(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"one\n"))
        assert [(it.code, it.mark) for it in reply.blocks.frames] == [(200, 4)]
        assert place.journal.status().sinks["out"].owed_blocks == 1


async def test_a_frame_beyond_the_mark_is_told_where_to_go_on(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"three\n", start=8))
    assert [(it.code, it.mark) for it in reply.blocks.frames] == [(Code.REWIND, 4)]


async def test_one_failing_frame_fails_no_other(tmp_path):
    broken = msgspec.structs.replace(frame_of(b"two\n", stream="b"), checksum=1)
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"1\n", stream="a"), broken, frame_of(b"3\n", stream="c"))
    assert [(it.stream, it.code) for it in reply.blocks.frames] == [("a", 200), ("b", 400), ("c", 200)]
    assert "checksum" in reply.blocks.frames[1].error


async def test_a_block_that_is_too_large_is_to_be_halved(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"x" * (MAX_BLOCK_BYTES + 1)))
    assert [it.code for it in reply.blocks.frames] == [Code.TOO_LARGE]


@pytest.mark.parametrize("journal", ["", "another"])
async def test_a_request_to_another_journal_stores_nothing_and_gets_the_rows(tmp_path, journal):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"two\n", start=4), journal=journal)
        assert (reply.status, reply.marks.journal) == (421, place.journal.journal_id)
        assert [(row.stream, row.mark) for row in reply.marks.rows] == [("s", 4)]


async def test_marks_are_answered_for_one_pod_only(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        place.caller.pod = pod_of("web-2")
        await place.caller.post(frame_of(b"one\n", stream="t"))
        known = await place.caller.call("GET", "/v1/marks?pod=uid-web-1")
        unknown = await place.caller.call("GET", "/v1/marks?pod=nobody")
        missing = await place.caller.call("GET", "/v1/marks")
    assert [row.stream for row in known.marks.rows] == ["s"]
    assert (unknown.marks.rows, unknown.marks.heard_seconds_ago) == ((), None)
    assert missing.status == 400


async def test_a_frame_of_another_pods_stream_is_refused(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        place.caller.pod = pod_of("web-2")
        reply = await place.caller.post(frame_of(b"two\n", start=4))
    assert [it.code for it in reply.blocks.frames] == [400]


async def test_delivered_is_told_to_an_empty_request(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        stop = asyncio.Event()
        stop.set()
        async with asyncio.timeout(10):
            await place.forwarder.run(stop)
        reply = await place.caller.post()
        again = await place.caller.post(since=reply.blocks.until)
    assert reply.blocks.delivered == (Delivered("s", 0, 4),)
    assert again.blocks.delivered == ()


async def test_the_routes_decide_who_is_owed(tmp_path):
    sinks = {"a": MemorySink(), "b": MemorySink()}
    debtors = Debtors(Routes([Route(("b",))], sinks), sinks)
    async with serving(tmp_path, sinks, debtors=debtors) as place:
        await place.caller.post(frame_of(b"one\n"))
        assert (dict(place.journal.owing("a")), list(place.journal.owing("b"))) == ({}, ["all"])


async def test_a_request_that_names_no_wire_version_speaks_the_first(tmp_path):
    async with serving(tmp_path) as place:
        assert (await place.caller.post(frame_of(b"one\n"), headers={})).status == 200


@pytest.mark.parametrize("version", ["2", "0", "", "one"])
async def test_another_wire_version_is_told_which_ones_are_spoken(tmp_path, version):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"one\n"), headers={"Towline-Wire": version})
    assert (reply.status, reply.blocks.versions, reply.headers["Towline-Wire"]) == (426, (1,), "1")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic good", "good", "Bearer ", "Bearer goode"])
async def test_without_a_good_token_nothing_is_told(tmp_path, authorization):
    tokens = StaticTokens([Secret("good"), Secret("also good")])
    headers = WIRE | ({"Authorization": authorization} if authorization else {})
    async with serving(tmp_path, authenticator=tokens) as place:
        post = await place.caller.post(frame_of(b"one\n"), headers=headers)
        marks = await place.caller.call("GET", "/v1/marks?pod=uid-web-1", headers)
    assert (post.status, marks.status) == (401, 401)
    assert not marks.marks.rows


async def test_any_of_several_tokens_is_good(tmp_path):
    tokens = StaticTokens([Secret("old"), Secret("new")])
    async with serving(tmp_path, authenticator=tokens) as place:
        replies = [
            await place.caller.post(headers=WIRE | {"Authorization": f"Bearer {token}"}) for token in ("old", "new")
        ]
    assert [reply.status for reply in replies] == [200, 200]


@pytest.mark.parametrize("body", [b"", b"\x00", b"{}", b"\xc1" * 50, b"\x91" * 100_000])
async def test_rubbish_is_answered_as_rubbish(tmp_path, body):
    async with serving(tmp_path) as place:
        reply = await place.caller.call("POST", "/v1/blocks", data=body)
        assert (reply.status, bool(reply.blocks.error)) == (400, True)
        assert (await place.caller.post(frame_of(b"one\n"))).status == 200


async def test_a_pod_without_a_name_is_refused(tmp_path):
    async with serving(tmp_path) as place:
        place.caller.pod = msgspec.structs.replace(pod_of(), uid="")
        reply = await place.caller.post(frame_of(b"one\n"))
    assert (reply.status, "uid" in reply.blocks.error) == (400, True)


@pytest.mark.parametrize("known_length", [True, False])
async def test_a_body_above_the_bound_is_refused_before_it_is_read(tmp_path, known_length):
    async def chunks():
        for _ in range(64):
            yield b"x" * 65536

    body = io.BytesIO(b"x" * (1 << 22)) if known_length else chunks()
    async with serving(tmp_path, bodies=Bodies(1 << 20, 5.0)) as place:
        reply = await place.caller.call("POST", "/v1/blocks", data=body)
    assert reply.status == 413


async def test_a_compressed_request_is_never_inflated(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.call("POST", "/v1/blocks", WIRE | {"Content-Encoding": "gzip"}, data=b"\x1f\x8b")
    assert reply.status == 400


async def test_a_body_that_does_not_come_is_waited_for_only_so_long(tmp_path):
    async with serving(tmp_path, bodies=Bodies(1 << 20, 0.05)) as place:
        reader, writer = await asyncio.open_connection(*place.address)
        writer.write(b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nTowline-Wire: 1\r\nContent-Length: 100\r\n\r\nabc")
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")


async def test_many_bodies_at_once_are_bounded_together(tmp_path):
    async with serving(tmp_path, bodies=Bodies(24 << 20, 10.0)) as place:
        held = []
        for _ in range(2):
            _, writer = await asyncio.open_connection(*place.address)
            writer.write(b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nTowline-Wire: 1\r\nContent-Length: 14000000\r\n\r\n")
            held.append(writer)
        held[0].write(b"x" * 12_000_000)
        await held[0].drain()
        reply = await place.caller.call("POST", "/v1/blocks", data=io.BytesIO(b"x" * (13 << 20)))
        for writer in held:
            writer.transport.abort()
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")


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


async def test_too_many_frames_in_one_request_are_too_large(tmp_path):
    frames = [frame_of(b"", start=0, stream=f"s{number}") for number in range(4097)]
    async with serving(tmp_path) as place:
        assert (await place.caller.post(*frames)).status == 413


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": ""},
        {"stream": "x" * 65},
        {"stream": "a\nb"},
        {"epoch": -1},
        {"epoch": 1 << 62},
        {"start": -1},
        {"start": 5},
        {"end": 1 << 63},
        {"base": -1},
        {"read_unix_ns": -1},
        {"print": "x" * 65},
        {"reason": "hole"},
        {"origin": Origin(path="/a", encoding="utf-7")},
        {"origin": Origin(path="/" + "a" * 5000)},
        {"origin": Origin(path="/a", tags=("t",) * 200)},
        {"codec": "none"},
        {"body": b"\x28\xb5\x2f\xfd"},
    ],
)
async def test_what_cannot_be_true_is_refused_and_changes_no_mark(tmp_path, changes):
    async with serving(tmp_path) as place:
        frame = msgspec.structs.replace(frame_of(b"one\n"), **changes)
        reply = await place.caller.post(frame)
        assert reply.status == 200
        assert [it.code for it in reply.blocks.frames] == [400]
        assert (await place.caller.call("GET", "/v1/marks?pod=uid-web-1")).marks.rows == ()


NUMBERS = st.sampled_from([-(2**63), -1, 0, 1, 4, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
TEXTS = st.sampled_from(["", "s", "a" * 32, "\0", "\u2028", "../../etc", "x" * 70_000])
FRAMES = st.builds(
    Frame,
    stream=TEXTS,
    epoch=NUMBERS,
    start=NUMBERS,
    end=NUMBERS,
    codec=st.sampled_from(["zstd", "none"]),
    body=st.sampled_from([b"", b"x", compress(b"one\n"), compress(b"one\n")[:-2]]),
    checksum=st.sampled_from([0, 1, -1, checksum_of(compress(b"one\n")), checksum_of(b"x")]),
    print=TEXTS,
    read_unix_ns=NUMBERS,
    origin=st.builds(Origin, path=TEXTS, container=TEXTS, encoding=TEXTS, tags=st.tuples(TEXTS)),
    head_bytes=NUMBERS,
    reason=st.sampled_from([None, "hole", "given_up"]),
    partial=st.booleans(),
    final=st.booleans(),
    gone=st.booleans(),
    alias=TEXTS,
    base=st.none() | NUMBERS,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(FRAMES, min_size=1, max_size=4), since=NUMBERS, run=TEXTS, name=TEXTS)
def test_whatever_is_said_is_answered_and_the_door_stays_open(tmp_path_factory, frames, since, run, name):
    async def say():
        async with serving(tmp_path_factory.mktemp("door")) as place:
            sane = msgspec.structs.replace(frame_of(b"one\n"), stream="sane")
            reply = await place.caller.post(*frames, sane, since=since, run=run)
            assert reply.status in {200, 400}
            if reply.status == 200:
                assert len(reply.blocks.frames) == len(frames) + 1
                assert reply.blocks.frames[-1].code == 200
            place.caller.pod = msgspec.structs.replace(pod_of(), name=name, uid=name)
            assert (await place.caller.post(sane)).status in {200, 400}
            place.caller.pod = pod_of()
            life = {"run": run} if reply.status == 200 else {}  # another life would have to ask for the rows first
            assert (await place.caller.post(sane, **life)).status == 200

    asyncio.run(say())


async def test_a_gap_needs_no_body_and_may_be_larger_than_a_block(tmp_path):
    gap = msgspec.structs.replace(frame_of(b""), body=b"", checksum=0, reason="hole", end=1 << 30)
    async with serving(tmp_path) as place:
        reply = await place.caller.post(gap)
    assert [(it.code, it.mark) for it in reply.blocks.frames] == [(200, 1 << 30)]


class Page:
    def __init__(self):
        self.taken = []

    def take(self, pod, request, now):
        self.taken.append((pod.uid, request.run, request.sequence))


def snapshot(place, sequence=1, **changes):
    said = {
        "journal": place.journal.journal_id,
        "pod": raw(pod_of()),
        "run": "r",
        "sequence": sequence,
        "taken_unix_ns": 1,
        "interval_seconds": 15.0,
        "families": (Family(name="up", type="gauge", help="", samples=(Sample({}, 1.0),)),),
    }
    return encode_request(SnapshotRequest(**(said | changes)))


async def test_a_snapshot_is_taken_once_and_shown(tmp_path):
    page = Page()
    async with serving(tmp_path, page=page) as place:
        replies = [
            await place.caller.call("POST", "/v1/snapshots", data=snapshot(place, number)) for number in (1, 2, 2, 1)
        ]
    answers = [decode_answer(reply.body, SnapshotAnswer) for reply in replies]
    assert [(answer.code, answer.sequence) for answer in answers] == [(200, 1), (200, 2), (200, 2), (200, 2)]
    assert [sequence for _, _, sequence in page.taken] == [1, 2, 2]


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"journal": "x"}, 421), ({"sequence": 0}, 400), ({"run": ""}, 400), ({"run": "x" * 65}, 400)],
)
async def test_a_snapshot_that_cannot_be_taken_says_why(tmp_path, changes, status):
    page = Page()
    async with serving(tmp_path, page=page) as place:
        reply = await place.caller.call("POST", "/v1/snapshots", data=snapshot(place, **changes))
        answer = decode_answer(reply.body, SnapshotAnswer)
        assert (reply.status, answer.code, answer.journal) == (status, status, place.journal.journal_id)
    assert not page.taken
