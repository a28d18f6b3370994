"""Metric snapshots in the journal: blocks of no row, owed like any other, and no gap in a log when they go."""

import pytest

from aggregator.core.joining import Chain
from aggregator.journal import Custody, JournalFullError, Share
from tests.aggregator.journal.snapshots import HOUR, METRICS, custody, owed, shares
from tests.aggregator.journal.world import MAIN, MIB, Clock, done, frame, open_journal, pod, submission, take_all
from towline.wire.codec import compress, open_body


async def test_a_new_snapshot_is_owed_as_it_came_and_a_known_one_is_not_kept_twice(opened):
    journal = await opened(shares=shares())
    raw = b"values " * 100
    kept = Custody(body=compress(raw), codec="zstd", length=len(raw), owed=(METRICS,), taken_unix_ns=5)
    assert await journal.snapshot(pod(), "r", 1, kept) == (1, True)
    assert await journal.snapshot(pod(), "r", 1, kept) == (1, False)
    (block,) = await owed(journal)
    assert open_body(block.codec, block.body, block.end - block.start) == raw
    assert (block.stream, block.pod, block.read_unix_ns) == ("metrics:uid-1", pod(), 5)
    assert dict(journal.owing("dd.metrics")) == {
        "all": {"uid-1": (journal._board.queue("dd.metrics", "all", "uid-1"), 5)}
    }


async def test_without_sinks_of_metrics_only_the_name_is_kept(journal):
    assert await journal.snapshot(pod(), "r", 1, custody(owed=())) == (1, True)
    assert journal.counters.appended_snapshots == 0
    assert await owed(journal) == []


async def test_snapshots_are_no_rows_no_moves_and_no_streams(opened):
    journal = await opened(shares=shares())
    await journal.append(submission(frame("s1")))
    marks = await journal.marks("uid-1")
    for number in (1, 2, 3):
        await journal.snapshot(pod(), "r", number, custody())
    await journal.settle(done(await owed(journal), METRICS))
    after = await journal.marks("uid-1")
    assert (after.rows, after.until) == (marks.rows, marks.until)
    assert [one.stream for one in await journal.streams()] == ["s1"]
    assert await journal.moved("uid-1", 0) == ([], after.until)


async def test_a_settled_snapshot_leaves_nothing_behind_and_its_memo_moves_with_it(opened):
    journal = await opened(shares=shares())
    await journal.snapshot(pod(), "r", 1, custody())
    await journal.settle(done(await owed(journal), METRICS), memo={"uid-1": "book"}, sink="dd.metrics")
    assert (await owed(journal), await journal.memo("dd.metrics")) == ([], {"uid-1": "book"})
    assert journal.status().sinks["dd.metrics"].owed_bytes == 0
    await journal.settle((), memo={"uid-1": ""}, sink="dd.metrics")
    assert await journal.memo("dd.metrics") == {}


async def test_a_sink_that_holds_refuses_a_snapshot_without_knowing_its_name(opened):
    journal = await opened(shares=shares(max_bytes=1000, when_full="hold"))
    await journal.snapshot(pod(), "r", 1, custody(b"x" * 2000))
    with pytest.raises(JournalFullError):
        await journal.snapshot(pod(), "r", 2, custody())
    await journal.settle(done(await owed(journal), METRICS))
    assert await journal.snapshot(pod(), "r", 2, custody()) == (2, True)


async def test_where_there_is_no_room_sinks_that_shed_go_without_and_the_page_goes_on(opened):
    journal = await opened(shares=shares(max_bytes=8 * MIB), max_bytes=2 * MIB)
    sizes = [200_000] * 20
    for number, size in enumerate(sizes, 1):
        assert await journal.snapshot(pod(), "r", number, custody(b"x" * size)) == (number, True)
    assert journal.counters.shed_snapshots > 0
    assert journal.counters.shed_snapshots + len(await owed(journal)) == len(sizes)


async def test_snapshots_do_not_count_among_a_pods_streams(opened, monkeypatch):
    monkeypatch.setattr("aggregator.journal.append.MAX_STREAMS", 1)
    journal = await opened(shares=shares())
    for number in (1, 2):
        await journal.snapshot(pod(), "r", number, custody())
    appended = await journal.append(submission(frame("s1")))
    assert appended.frames[0].code == 200


async def test_a_sink_that_was_removed_releases_its_snapshots_without_gaps(opened):
    journal = await opened(shares=shares())
    await journal.snapshot(pod(), "r", 1, custody())
    journal = await opened(shares={"main": Share("main", MIB)})
    assert journal.strangers() == ["dd.metrics"]
    assert await journal.release("dd.metrics") == 1
    assert (journal.counters.released_snapshots, journal.counters.released_blocks) == (1, 0)
    assert dict(journal.status().gaps) == {}


async def test_what_is_owed_survives_a_restart_and_keeps_its_pod(opened, clock):
    journal = await opened(shares=shares())
    await journal.snapshot(pod(), "r", 1, custody(goodbye=True))
    journal = await opened(shares=shares())
    clock.now += 2 * HOUR
    await journal.sweep()
    (block,) = await owed(journal)
    assert block.pod == pod()


async def test_a_goodbye_by_snapshot_lets_the_pod_go_with_its_memos_once_nothing_is_owed(opened, clock):
    journal = await opened(shares=shares())
    await journal.snapshot(pod(), "r", 1, custody(goodbye=True))
    await journal.settle(done(await owed(journal), METRICS), memo={"uid-1": "book", "other": "book"}, sink="dd.metrics")
    clock.now += HOUR
    await journal.sweep()
    assert await journal.memo("dd.metrics") == {"other": "book"}
    assert journal._store.db.execute("SELECT count(*) FROM pods").fetchone() == (0,)


async def test_lines_of_the_same_pod_are_settled_beside_its_snapshots(opened):
    journal = await opened(shares=shares())
    await journal.append(submission(frame("s1")))
    await journal.snapshot(pod(), "r", 1, custody())
    await journal.settle(done(await take_all(journal)))
    (row,) = (await journal.marks("uid-1")).rows
    assert (row.delivered, len(await owed(journal)), len(await take_all(journal, MAIN))) == (row.mark, 1, 0)


async def test_after_damage_snapshots_are_owed_anew_only_of_pods_that_did_not_come_back(tmp_path):
    clock = Clock()
    journal = open_journal(tmp_path, clock, shares=shares())
    for number in (1, 2):
        await journal.snapshot(pod(number), "r", 1, custody())
        await journal.snapshot(pod(number), "r", 2, custody())
    await journal.close()
    (tmp_path / "journal.db.damaged").touch()
    journal = open_journal(tmp_path, clock, shares=shares())
    await journal.snapshot(pod(2), "r", 3, custody())  # says all that the two before it said
    clock.now += 601
    await journal.sweep()
    assert [Chain.unpacked(block.place, 0).start for block in await owed(journal)] == [1, 1]
    assert [Chain.unpacked(block.place, 0).start for block in await owed(journal, uid="uid-2")] == [3]
    assert (journal.counters.reowed_blocks, journal.counters.returned_blocks) == (2, 2)
    await journal.close()


async def test_who_sent_a_snapshot_lately_and_did_not_say_goodbye_is_measuring(opened, clock):
    journal = await opened(shares=shares())
    await journal.snapshot(pod(1), "r", 1, custody())
    clock.now += 100
    for number, goodbye in ((2, False), (3, True)):
        await journal.snapshot(pod(number), "r", 1, custody(goodbye=goodbye))
    assert await journal.measuring(60) == ["uid-2"]
    assert sorted(await journal.measuring(200)) == ["uid-1", "uid-2"]
