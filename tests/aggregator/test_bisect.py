from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.bisect import Bisection, blames_destination
from aggregator.core.records import Batch, Slice
from towline.wire.identity import Origin, Pod


def batch_of(numbers):
    lines = [str(number).encode() for number in numbers]
    end = sum(len(line) + 1 for line in lines)
    return Batch(
        (
            Slice(
                block_id=1,
                stream="s",
                epoch=0,
                start=0,
                end=end,
                lines=lines,
                pod=Pod(namespace="n", name="p", uid="u"),
                origin=Origin(path="/a"),
                read_unix_ns=0,
            ),
        )
    )


@given(st.integers(1, 64).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_every_poison_line_is_found_alone_and_all_others_pass_in_order(case):
    size, poison = case
    work, passed, refused = Bisection(batch_of(range(size))), [], []
    while (part := work.part) is not None:
        numbers = [int(piece.lines[index]) for piece, index in part.lines()]
        if poison.isdisjoint(numbers):
            passed += numbers
        elif work.split():
            continue
        else:
            refused += numbers
        work.done()
    assert refused == sorted(poison)
    assert passed == [number for number in range(size) if number not in poison]


def lines_of(refused):
    return [int(one.part.slices[0].lines[0]) for one in refused]


@given(st.integers(1, 64).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_a_line_is_convicted_only_where_another_was_accepted(case):
    size, poison = case
    work, convicted, accepted = Bisection(batch_of(range(size)), attempt=9), [], []
    while (part := work.part) is not None:
        numbers = [int(piece.lines[index]) for piece, index in part.lines()]
        if poison.isdisjoint(numbers):
            accepted += numbers
            convicted += lines_of(work.accept())
        elif not work.split():
            convicted += lines_of(work.refuse("rejected"))
    assert convicted == (sorted(poison) if accepted else [])
    assert lines_of(work.suspects) == ([] if accepted else list(range(size)))


def refuse_everything(size, attempt=0, *, by_destination=True):
    work, refusals = Bisection(batch_of(range(size)), attempt), 0
    while work.part is not None and not work.is_hopeless:
        refusals += 1
        if not work.split():
            work.refuse("rejected", by_destination=by_destination)
    return work, refusals


def test_who_refuses_everything_is_asked_twice_as_often_each_time():
    assert [refuse_everything(1000, attempt)[1] for attempt in (0, 1, 2, 9)] == [64, 128, 256, 1999]


def test_from_eight_lines_on_it_is_the_destination():
    assert [blames_destination(refuse_everything(size)[0].suspects, 0) for size in (1, 7, 8)] == [False, False, True]
    assert blames_destination(refuse_everything(3)[0].suspects, 5)
    assert not blames_destination([], 100)


def test_our_own_faults_are_nobody_elses():
    assert not blames_destination(refuse_everything(20, by_destination=False)[0].suspects, 0)
