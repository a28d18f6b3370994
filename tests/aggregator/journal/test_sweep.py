from tests.aggregator.journal.world import done, frame, pod, submission, take_all

HOUR, DAY = 3600.0, 86_400.0


async def streams(journal, uid="uid-1"):
    return [row.stream for row in (await journal.marks(uid)).rows]


async def test_rule_10_a_row_stays_while_its_pod_is_heard(journal, clock):
    for _ in range(20):
        await journal.append(submission(frame("s1"), debts=()))
        clock.now += DAY
        await journal.sweep()
    assert await streams(journal) == ["s1"]


async def test_rule_10_a_row_said_to_be_gone_goes_an_hour_later(journal, clock):
    await journal.append(submission(frame("s1"), frame("s2"), debts=()))
    await journal.append(submission(frame("s1", 64, 64, gone=True), debts=()))
    clock.now += HOUR - 1
    await journal.sweep()
    assert await streams(journal) == ["s1", "s2"]
    clock.now += 1
    await journal.sweep()
    assert (await streams(journal), journal.counters.swept_rows) == (["s2"], 1)


async def test_rule_10_a_row_that_owes_stays_until_an_hour_after_its_last_block_was_settled(journal, clock):
    await journal.append(submission(frame("s1", gone=True)))
    clock.now += 2 * HOUR
    await journal.sweep()
    await journal.settle(done(await take_all(journal)))
    await journal.sweep()
    assert await streams(journal) == ["s1"]
    clock.now += HOUR
    await journal.sweep()
    assert await streams(journal) == []


async def test_rule_10_a_goodbye_lets_all_rows_of_the_pod_go_an_hour_later(journal, clock):
    await journal.append(submission(frame("s1"), debts=(), goodbye=True))
    await journal.append(submission(frame("s2"), debts=(), by=pod(2)))
    clock.now += HOUR
    await journal.sweep()
    assert (await streams(journal), await streams(journal, "uid-2")) == ([], ["s2"])


async def test_rule_10_any_later_request_of_the_pod_takes_its_goodbye_back(journal, clock):
    await journal.append(submission(frame("s1"), debts=(), goodbye=True))
    await journal.append(submission())
    clock.now += 2 * HOUR
    await journal.sweep()
    assert await streams(journal) == ["s1"]


async def test_a_snapshot_is_a_request_too(journal, clock):
    await journal.append(submission(frame("s1"), debts=(), goodbye=True))
    await journal.snapshot(pod(), "run", 1)
    clock.now += 2 * HOUR
    await journal.sweep()
    assert await streams(journal) == ["s1"]


async def test_rule_10_a_pod_not_heard_for_the_time_to_keep_is_forgotten(opened, clock):
    journal = await opened(keep_seconds=2 * DAY)
    await journal.append(submission(frame("s1"), debts=()))
    clock.now += 2 * DAY - 1
    await journal.sweep()
    assert await streams(journal) == ["s1"]
    clock.now += 1
    await journal.sweep()
    await journal.sweep()
    assert (await streams(journal), (await journal.marks("uid-1")).heard_seconds_ago) == ([], None)


async def test_rule_10_a_forgotten_pod_that_still_owes_keeps_its_row(opened, clock):
    journal = await opened(keep_seconds=2 * DAY)
    await journal.append(submission(frame("s1")))
    clock.now += 9 * DAY
    await journal.sweep()
    assert (await streams(journal), len(await take_all(journal))) == (["s1"], 1)


async def test_rule_7_what_counts_is_running_time_and_it_survives_restarts(opened, clock):
    journal = await opened()
    await journal.append(submission(frame("s1"), debts=(), goodbye=True))
    clock.now += HOUR / 2
    await journal.sweep()
    await journal.close()
    clock.now = 5_000_000.0  # another machine, another monotonic clock
    journal = await opened()
    await journal.sweep()
    assert await streams(journal) == ["s1"]
    clock.now += HOUR / 2
    await journal.sweep()
    assert await streams(journal) == []


async def test_a_forgotten_pod_leaves_no_identity_origin_or_queue_behind(journal, clock):
    await journal.append(submission(frame("s1"), goodbye=True))
    await journal.settle(done(await take_all(journal)))
    await journal.snapshot(pod(2), "run", 1)
    clock.now += 8 * DAY
    await journal.sweep()
    await journal.sweep()
    db = journal._store.db
    tables = ("pods", "identities", "origins", "queues", "streams", "snapshots")
    assert {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables} == dict.fromkeys(
        tables, 0
    )


async def test_a_swept_pod_can_come_back(journal, clock):
    await journal.append(submission(frame("s1"), goodbye=True))
    await journal.settle(done(await take_all(journal)))
    clock.now += HOUR
    await journal.sweep()
    await journal.sweep()
    appended = await journal.append(submission(frame("s1", 64, 128, base=64)))
    assert (appended.frames[0].code, len(await take_all(journal))) == (200, 1)


async def test_gap_records_are_bounded_their_counts_are_not(journal, monkeypatch):
    monkeypatch.setattr("aggregator.journal.sweep.MAX_GAPS", 3)
    for number in range(5):
        await journal.append(submission(frame(f"s{number}", reason="hole"), debts=()))
    await journal.sweep()
    assert [gap.stream for gap in await journal.gap_records()] == ["s4", "s3", "s2"]
    assert journal.status().gaps["hole"].number == 5
