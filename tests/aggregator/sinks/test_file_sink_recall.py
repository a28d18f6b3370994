"""What a file sink remembers over a kill: lengths that were settled, and the intent to write; so that nothing is doubled or taken away."""

from aggregator.sinks.file import appending
from tests.aggregator.sinks.to_file import again, messages, path_in, send


async def test_a_receipt_records_the_length_and_recall_cuts_back_to_it(sink, tmp_path):
    receipt = await send(sink, [b"settled"])
    path = path_in(tmp_path)
    assert receipt.memo == {str(path): str(path.stat().st_size)}
    await send(sink, [b"killed before it was settled"], start=8)
    after = again(tmp_path)
    await after.recall(receipt.memo)
    assert messages(path) == ["settled"]
    await send(after, [b"sent again"], start=8)
    assert messages(path) == ["settled", "sent again"]
    await after.close()


async def test_the_very_first_batch_is_not_doubled_by_a_kill_before_it_was_settled(sink, tmp_path):
    await send(sink, [b"first", b"of all"])
    after = again(tmp_path)
    await after.recall({})
    await send(after, [b"first"])
    await send(after, [b"of all"], start=6)
    assert messages(path_in(tmp_path)) == ["first", "of all"]
    await after.close()


async def test_what_others_left_in_a_file_is_kept(sink, tmp_path):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"message":"of old"}\n{"torn')
    await send(sink, [b"new"])
    assert path.read_bytes().startswith(b'{"message":"of old"}\n{"torn\n{"timestamp"')


async def test_a_lost_journal_never_takes_delivered_lines_away(sink, tmp_path):
    await send(sink, [b"settled in a journal that is gone"])
    after = again(tmp_path)
    await after.recall({})
    await send(after, [b"another stream"], stream="6" * 32)
    assert messages(path_in(tmp_path)) == ["settled in a journal that is gone", "another stream"]
    await after.close()


async def test_the_intent_goes_once_it_is_not_needed(sink, tmp_path):
    path = str(path_in(tmp_path))
    receipt = await send(sink, [b"first"])
    assert appending.read_intent(path).length == 0
    await send(sink, [b"second"], start=6)
    assert appending.read_intent(path) is None
    other = tmp_path / "again"
    other.mkdir()
    await send(again(other), [b"first"])
    await again(other).recall({str(path_in(other)): "1"})
    assert appending.read_intent(str(path_in(other))) is None
    assert receipt.memo[path] != "0"


async def test_a_damaged_intent_is_no_intent(sink, tmp_path):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"kept\n")
    appending.intent_path(str(path)).write_bytes(b"\x00not json")
    await send(sink, [b"new"])
    assert path.read_bytes().startswith(b"kept\n{")


async def test_a_file_that_was_moved_away_begins_anew(sink, tmp_path):
    await send(sink, [b"first"])
    path_in(tmp_path).rename(tmp_path / "rotated")
    await send(sink, [b"second"], start=6)
    assert (messages(tmp_path / "rotated"), messages(path_in(tmp_path))) == (["first"], ["second"])


async def test_recall_of_files_that_are_gone_or_short_goes_on(sink, tmp_path, capsys):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"short\n")
    await sink.recall({str(path): "100", str(tmp_path / "gone.jsonl"): "5"})
    await send(sink, [b"next"])
    assert path.read_bytes().startswith(b"short\n{")
    assert capsys.readouterr().out.count("file_found_shorter") == 2
