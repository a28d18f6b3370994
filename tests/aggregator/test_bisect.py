from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.bisect import Bisection
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
