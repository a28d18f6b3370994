"""The judge is judged: every way to lose, double, tear or reorder a line is found, and nothing else."""

import json
import random

import pytest

from tests.e2e.judge import Judge, judge, parse_line, read_records, records_of
from tests.e2e.writer import line_of, padding_of

WRITTEN = {"w0": 50, "w1": 50}


def all_lines(form="mixed", written=WRITTEN):
    """What a perfect tailer delivers: both writers' lines taken in turn."""
    return [
        line_of(writer, n, padding_of(0, writer, n), form) for n in range(max(written.values())) for writer in written
    ]


def counts(verdict):
    return (verdict.lost, verdict.duplicated, verdict.torn, verdict.corrupt, verdict.reordered)


@pytest.mark.parametrize("form", ["json", "plain", "mixed"])
def test_a_perfect_tailer_is_found_clean(form):
    verdict = judge(WRITTEN, records_of(all_lines(form)))
    assert counts(verdict) == (0, 0, 0, 0, 0)
    assert verdict.clean
    assert verdict.delivered == 100
    assert verdict.details == {}


def test_a_tailer_that_drops_one_line_lost_one():
    lines = all_lines()
    del lines[30]
    verdict = judge(WRITTEN, records_of(lines))
    assert counts(verdict) == (1, 0, 0, 0, 0)
    assert verdict.details["lost"] == ["w0: 1 of 50: 15"]


def test_a_tailer_that_drops_the_last_line_lost_one():
    assert counts(judge(WRITTEN, records_of(all_lines()[:-1]))) == (1, 0, 0, 0, 0)


def test_a_tailer_that_delivers_nothing_lost_everything():
    assert counts(judge({"lines": WRITTEN}, [])) == (100, 0, 0, 0, 0)


def test_a_tailer_that_doubles_one_line_doubled_one_and_is_not_blamed_for_order():
    lines = all_lines()
    lines.insert(60, lines[30])
    assert counts(judge(WRITTEN, records_of(lines))) == (0, 1, 0, 0, 0)


def test_a_tailer_that_tears_a_line_lost_it_and_delivered_two_pieces():
    lines = all_lines()
    lines[30:31] = [lines[30][:12], lines[30][12:]]
    assert counts(judge(WRITTEN, records_of(lines))) == (1, 0, 2, 0, 0)


def test_wherever_a_line_is_cut_neither_piece_passes_for_a_line():
    for line in (line_of("w0", 7, padding_of(0, "w0", 7), form) for form in ("json", "plain")):
        pieces = [piece for cut in range(1, len(line)) for piece in (line[:cut], line[cut:])]
        assert not [piece for piece in pieces if (found := parse_line(piece)) is not None and found.whole]


def test_a_tailer_that_glues_two_lines_lost_both():
    lines = all_lines()
    lines[30:32] = [lines[30] + lines[31]]
    assert counts(judge(WRITTEN, records_of(lines))) == (2, 0, 1, 0, 0)


def test_a_tailer_that_swaps_two_lines_of_a_writer_reordered_one():
    lines = all_lines()
    lines[30], lines[32] = lines[32], lines[30]
    assert counts(judge(WRITTEN, records_of(lines))) == (0, 0, 0, 0, 1)


def test_lines_of_two_writers_may_arrive_in_any_order():
    lines = all_lines()
    lines[30], lines[31] = lines[31], lines[30]
    assert judge(WRITTEN, records_of(lines)).clean


def test_rotated_files_may_overtake_each_other_where_only_the_order_within_files_is_asked_for():
    lines = [line_of("w0", n, "") for n in range(4)]
    ids = ["old:0:50", "old:0:99", "new:0:50", "new:0:99"]
    delivered = [{"message": lines[n], "evt_id": ids[n]} for n in (2, 0, 1, 3)]
    swapped = [delivered[n] for n in (0, 2, 1, 3)]
    assert judge({"w0": 4}, delivered).reordered == 2
    assert judge({"w0": 4}, delivered, order="file").clean
    assert judge({"w0": 4}, swapped, order="file").reordered == 1


def test_a_changed_byte_is_a_corrupt_line():
    lines = all_lines()
    spoilt = random.Random(1).choice([at for at, char in enumerate(lines[30]) if char == " "])
    lines[30] = f"{lines[30][:spoilt]}_{lines[30][spoilt + 1 :]}"
    verdict = judge(WRITTEN, records_of(lines))
    assert verdict.lost == 1
    assert verdict.corrupt + verdict.torn == 1


@pytest.mark.parametrize("stranger", [line_of("w0", 50, ""), line_of("w9", 0, "")])
def test_a_line_that_nobody_wrote_is_corrupt(stranger):
    assert counts(judge(WRITTEN, records_of([*all_lines(), stranger]))) == (0, 0, 0, 1, 0)


@pytest.mark.parametrize("record", [{"message": ""}, {"message": None}, {"message": 7}, {}])
def test_a_record_without_a_line_in_it_is_torn(record):
    assert counts(judge({}, [record])) == (0, 0, 1, 0, 0)


def test_copies_are_told_apart_by_their_event_ids():
    line = line_of("w0", 0, "x")
    delivered = [{"message": line, "evt_id": evt_id} for evt_id in ("s:0:9", "s:0:9", "t:0:9", "s:0:9")]
    verdict = judge({"w0": 1}, delivered)
    assert (verdict.duplicated, verdict.copies_same_id, verdict.copies_other_id) == (3, 2, 1)
    assert not verdict.clean_but_for_copies


def test_only_copies_with_the_same_event_id_are_excused():
    line = line_of("w0", 0, "x")
    excused = judge({"w0": 1}, [{"message": line, "evt_id": "s:0:9"}] * 2)
    without_ids = judge({"w0": 1}, [{"message": line}] * 2)
    assert (excused.clean, excused.clean_but_for_copies) == (False, True)
    assert (without_ids.clean, without_ids.clean_but_for_copies) == (False, False)


def test_a_verdict_may_be_asked_for_again_as_more_arrives():
    trial = Judge({"w0": 2})
    trial.take({"message": line_of("w0", 0, "")})
    assert trial.verdict().lost == 1
    trial.take({"message": line_of("w0", 1, "")})
    assert trial.verdict().clean


def test_records_are_read_from_the_files_of_a_sink_but_for_a_line_cut_by_a_kill(tmp_path):
    lines = all_lines()
    whole = "".join(json.dumps({"message": line, "service": "web"}) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(whole + whole[:40])
    assert judge(WRITTEN, read_records(tmp_path / "a.jsonl", tmp_path / "absent.jsonl")).clean
