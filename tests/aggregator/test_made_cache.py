"""What was made for one sink is there for the next, while there is room."""

from dataclasses import replace

from aggregator.core.made_cache import MadeCache
from aggregator.core.multiline import Joined
from tests.aggregator.joining_lines import slice_of
from towline.wire.identity import Pod


def test_what_was_made_comes_back_for_the_same_lines_and_maker_only():
    cache, piece = MadeCache(1000), slice_of(b"one\n")
    cache.put("java", piece, Joined([piece], None))
    assert cache.get("java", piece).complete == [piece]
    assert cache.get("python", piece) is None
    assert cache.get("java", slice_of(b"one\n", start=4)) is None


def test_it_belongs_to_whoever_asks():
    cache, piece = MadeCache(1000), slice_of(b"one\n")
    cache.put("java", piece, Joined([piece], piece))
    again = Pod(namespace="shop", name="web-1", uid="u1", labels={"told": "anew"})
    known = cache.get("java", replace(piece, pod=again))
    assert (known.complete[0].pod, known.open.pod) == (again, again)


def test_the_least_recently_used_goes_first_and_what_is_too_large_never_comes():
    cache, pieces = MadeCache(200), [slice_of(b"x" * 80 + b"\n", number=number) for number in range(3)]
    for piece in pieces[:2]:
        cache.put("java", piece, Joined([piece], None))
    cache.get("java", pieces[0])
    cache.put("java", pieces[2], Joined([pieces[2]], None))
    assert [cache.get("java", piece) is None for piece in pieces] == [False, True, False]
    large = slice_of(b"x" * 300 + b"\n", number=9)
    cache.put("java", large, Joined([large], None))
    assert cache.get("java", large) is None
