"""A rate limit: so many lines a second of each pod, and the same answer for a line that is read again."""

from dataclasses import replace

import pytest

from aggregator.core.events import Count
from aggregator.core.route import Binding
from aggregator.core.rules import limiting
from aggregator.core.rules.limiting import RateLimit
from tests.aggregator.sinks.batches import NOW_NS, ORIGIN, POD, piece

SECOND = 1_000_000_000


def limit(per_second=10, burst=10):
    return RateLimit(per_second, burst, "web.0")


def kept(rule, lines, *, pod=POD, sink="dd", at=0.0, **more):
    one = piece([b"line"] * lines, pod=pod, read_unix_ns=NOW_NS + int(at * SECOND), **more)
    return len(rule.bound(Binding(sink, pod, ORIGIN)).apply(one))


def test_a_burst_passes_and_then_so_many_a_second():
    rule = limit(per_second=10, burst=20)
    assert [kept(rule, 50, at=at, start=250 * n) for n, at in enumerate((0, 0.5, 1.5, 100))] == [20, 5, 10, 20]


def test_what_is_dropped_is_counted():
    step = limit(per_second=1, burst=2).bound(Binding("dd", POD, ORIGIN))
    assert step.apply(piece([b"a"] * 5)).tally == {Count("dropped", "web.0"): 3}


def test_pods_and_destinations_have_buckets_of_their_own():
    rule, other = limit(burst=3), replace_uid(POD, "u2")
    assert [kept(rule, 5), kept(rule, 5, pod=other), kept(rule, 5, sink="cw")] == [3, 3, 3]
    assert kept(rule, 5, start=100) == 0


def replace_uid(pod, uid):
    return type(pod)(namespace=pod.namespace, name=pod.name, uid=uid)


@pytest.mark.parametrize("lines", [1, 7, 30])
def test_lines_that_are_read_again_are_decided_as_before(lines):
    rule = limit(burst=8)
    step = rule.bound(Binding("dd", POD, ORIGIN))
    first = [step.apply(piece([b"line"] * lines, start=5 * lines * n)) for n in range(5)]
    for _ in range(3):  # a destination that is down: the same again and again
        again = [step.apply(piece([b"line"] * lines, start=5 * lines * n)) for n in range(5)]
        assert [one.known_ends() for one in again] == [one.known_ends() for one in first]


def test_lines_that_are_read_again_in_other_portions_are_decided_as_before():
    step = limit(burst=8).bound(Binding("dd", POD, ORIGIN))
    whole = [piece([b"line"] * 6, start=30 * n) for n in range(3)]
    before = [end for one in whole for end in step.apply(one).known_ends()]
    again = piece([b"line"] * 18)
    assert list(step.apply(again).known_ends()) == before
    assert list(step.apply(replace(again.cut(3, 18))).known_ends()) == before[3:]


def test_a_stream_that_was_truncated_is_decided_anew():
    rule = limit(per_second=100, burst=5)
    assert kept(rule, 9) == 5
    assert kept(rule, 9, epoch=1, at=1) == 5


def test_a_clock_that_was_set_back_gives_no_tokens():
    rule = limit(burst=5)
    assert [kept(rule, 5), kept(rule, 5, start=25, at=-100), kept(rule, 5, start=50, at=0.1)] == [5, 0, 1]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(limiting, "MAX_BUCKETS", 2)
    monkeypatch.setattr(limiting, "MAX_STREAMS", 2)
    monkeypatch.setattr(limiting, "MAX_DECISIONS", 3)
    rule = limit(per_second=1000, burst=1000)
    for n in range(20):
        assert kept(rule, 2, pod=replace_uid(POD, str(n)), start=10 * n, stream=str(n)) == 2
        assert kept(rule, 2, start=10 * n) == 2
        assert kept(rule, 2, start=10 * n, stream=str(n)) == 2
    assert len(rule._buckets) == 2
    (bucket,) = [bucket for (_, uid), bucket in rule._buckets.items() if uid == POD.uid]
    assert len(bucket.streams) == 2
    assert all(len(decided.ends) <= 3 for decided in bucket.streams.values())
