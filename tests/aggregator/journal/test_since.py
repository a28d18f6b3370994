"""`since` and `until`: whatever answers are lost, a collector that goes on asking knows `delivered` of every row."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aggregator.journal.world import (
    MAIN,
    OTHER,
    Clock,
    audit,
    done,
    frame,
    open_journal,
    pod,
    submission,
    take_all,
)

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.integers(1, 2),
            st.sampled_from(["a", "b"]),
            st.sampled_from([(), (MAIN,), (MAIN, OTHER)]),
        ),
        st.tuples(st.just("settle"), st.integers(1, 2), st.sampled_from([MAIN, OTHER]), st.integers(0, 3)),
        st.tuples(st.just("ask"), st.integers(1, 2), st.booleans()),  # whether the answer arrives
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)


class Collector:
    def __init__(self, number):
        self.pod, self.since, self.knows, self.marks = pod(number), 0, {}, {}

    def learn(self, delivered, until):
        self.since = until
        for row in delivered:
            key = (row.stream, row.epoch)
            assert row.delivered >= self.knows.get(key, 0), "delivered never decreases"
            self.knows[key] = row.delivered


async def play(folder, steps):
    journal = open_journal(folder, Clock())
    collectors = {number: Collector(number) for number in (1, 2)}
    for step in steps:
        if step[0] == "restart":
            await journal.close()
            journal = open_journal(folder, Clock())
            continue
        collector = collectors[step[1]]
        if step[0] == "append":
            stream = f"{step[2]}{step[1]}"
            start = collector.marks.get(stream, 0)
            await journal.append(submission(frame(stream, start, start + 32), by=collector.pod, debts=step[3]))
            collector.marks[stream] = start + 32
        elif step[0] == "settle":
            blocks = await take_all(journal, step[2], collector.pod.uid)
            await journal.settle(done(blocks[step[3] : step[3] + 2], step[2]))
        else:
            answer = await journal.append(submission(by=collector.pod, since=collector.since))
            if step[2]:
                collector.learn(answer.delivered, answer.until)
    for collector in collectors.values():
        collector.learn(*await journal.moved(collector.pod.uid, collector.since))
        rows = (await journal.marks(collector.pod.uid)).rows
        assert {(row.stream, row.epoch): row.delivered for row in rows if row.delivered} == collector.knows
    await journal.close()
    audit(folder)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_rule_1_a_collector_learns_every_move_however_many_answers_are_lost(steps):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), steps))


async def test_a_collector_that_is_ahead_of_the_journal_is_told_everything(journal):
    await journal.append(submission(frame("s1"), debts=()))
    assert len((await journal.append(submission(since=999))).delivered) == 1
    assert len((await journal.moved("uid-1", 999))[0]) == 1


async def test_a_collector_is_not_told_again_what_it_knows(journal):
    first = await journal.append(submission(frame("s1"), debts=()))
    assert [row.stream for row in first.delivered] == ["s1"]
    second = await journal.append(submission(frame("s2"), debts=(), since=first.until))
    assert [row.stream for row in second.delivered] == ["s2"]
