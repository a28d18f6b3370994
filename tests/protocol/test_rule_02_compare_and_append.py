"""Rule 2: what a journal does with one frame, on rows alone and through the public Journal."""

import pytest

from aggregator.core.compare import Gap, StreamRow, compare
from tests.aggregator.journal.world import done, frame, open_journal, raw, submission, take_all
from tests.fakes.pod import block

ROW = StreamRow(epoch=0, mark=64, print="p64", continues=True)
NEWER = StreamRow(epoch=1, mark=8, print="p8")


@pytest.fixture
async def journal(tmp_path):
    journal = open_journal(tmp_path)
    yield journal
    await journal.close()


def one(start, end, **changes):
    return block("s", start, b"x" * (end - start), **changes)


def test_rule_2_start_at_the_mark_is_appended():
    verdict = compare(one(64, 80, print="p80"), ROW, ROW)
    assert (verdict.code, verdict.append, verdict.skip, verdict.row.mark, verdict.row.print) == (
        200,
        True,
        0,
        80,
        "p80",
    )


def test_rule_2_an_overlap_is_stored_whole_with_what_to_skip():
    verdict = compare(one(60, 80), ROW, ROW)
    assert (verdict.append, verdict.skip, verdict.row.mark) == (True, 4, 80)


def test_rule_2_what_is_left_of_an_overlap_continues_a_line_if_the_block_at_the_mark_was_partial():
    assert compare(one(60, 80), ROW, ROW).continues
    assert not compare(one(64, 80), ROW, ROW).continues


def test_rule_2_what_the_journal_has_is_answered_as_stored_and_not_appended():
    verdict = compare(one(0, 64), ROW, ROW)
    assert (verdict.code, verdict.append, verdict.row.mark) == (200, False, 64)


def test_rule_2_a_start_beyond_the_mark_is_sent_back_and_opens_nothing():
    assert compare(one(65, 80), ROW, ROW).code == 409
    verdict = compare(one(9, 10), None, None)
    assert (verdict.code, verdict.row) == (409, None)


def test_rule_2_a_start_beyond_the_mark_does_not_lift_the_row_to_a_base_either():
    verdict = compare(one(90, 99, base=80), ROW, ROW)
    assert (verdict.code, verdict.row.mark, verdict.base_gap) == (409, 64, None)


def test_rule_2_an_older_epoch_is_compared_with_its_own_row_and_never_appended_to():
    known, late = compare(one(0, 64), ROW, NEWER), compare(one(64, 80), ROW, NEWER)
    assert (known.code, known.row.mark, known.append) == (200, 64, False)
    assert (late.code, late.row, late.append) == (409, NEWER, False)


@pytest.mark.parametrize(("epoch", "start", "code"), [(1, 0, 200), (1, 4, 409), (2, 0, 409)])
def test_rule_2_the_next_epoch_opens_at_0_only(epoch, start, code):
    assert compare(one(start, start + 8, epoch=epoch), None, ROW).code == code


def test_rule_2_a_base_opens_the_row_and_the_journal_records_what_it_skips():
    verdict = compare(one(640, 650, base=640), None, None)
    assert (verdict.code, verdict.row.mark, verdict.base_gap) == (200, 650, Gap(0, 640, "elsewhere"))


def test_rule_2_a_base_above_the_mark_lifts_the_row_whose_print_is_then_unknown():
    verdict = compare(one(80, 80, base=80, print=""), ROW, ROW)
    assert (verdict.row.mark, verdict.row.print, verdict.base_gap) == (80, "", Gap(64, 80, "elsewhere"))


def test_rule_2_a_gap_is_recorded_from_the_mark_on():
    verdict = compare(block("s", 60, b"", end=90, reason="hole"), ROW, ROW)
    assert (verdict.append, verdict.gap, verdict.row.mark) == (False, Gap(64, 90, "hole"), 90)


async def test_rule_2_a_frame_that_comes_twice_is_stored_once(journal):
    for _ in range(2):
        (answer,) = (await journal.append(submission(frame(end=64)))).frames
        assert (answer.code, answer.mark) == (200, 64)
    assert len(await take_all(journal)) == 1


async def test_rule_2_delivered_is_where_the_first_owing_block_begins_after_its_skip(journal):
    await journal.append(submission(frame(end=64), frame(start=32, end=128)))
    first, second = await take_all(journal)
    await journal.settle(done([first]))
    assert (await journal.marks("uid-1")).rows[0].delivered == 64
    assert raw(second) == raw(first)[:0] + raw(second)
    assert second.place == 64
