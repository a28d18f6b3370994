"""Plans, whatever their branches: no event is lost, doubled or put out of order, and all is settled."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.events import Count
from aggregator.core.plan import Branch, Plan, merged
from aggregator.core.rules.choosing import Chosen, Sometimes
from tests.aggregator.sinks.batches import piece


@dataclass(frozen=True)
class OneOf:
    """Lines that say one of some numbers."""

    numbers: frozenset[int]

    def met(self, one):
        return [int(line) in self.numbers for line in one.lines]


NUMBERS = st.frozensets(st.integers(0, 9), max_size=6)
BRANCHES = st.lists(st.tuples(NUMBERS, st.booleans(), NUMBERS), min_size=1, max_size=4)


def numbers_of(one):
    return [int(line) for line in one.lines]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), BRANCHES, st.booleans())
def test_lines_go_the_way_of_the_first_branch_that_takes_them(numbers, branches, partial):
    whole = piece([b"%d" % number for number in numbers], start=100, partial=partial, continues=True, covers=((0, 90),))
    made = Plan(
        branches=[
            Branch(
                name=str(index),
                leads_here=leads,
                where=OneOf(taken),
                rules=[Chosen(OneOf(dropped), f"{index}.0", keeps=False)],
            )
            for index, (taken, leads, dropped) in enumerate(branches)
        ]
    ).apply(whole)
    wanted, dropped = [], {}
    for place, number in enumerate(numbers):
        index = next((index for index, (taken, *_) in enumerate(branches) if number in taken), None)
        if index is None or not branches[index][1]:
            continue
        if number in branches[index][2]:
            dropped[Count("dropped", f"{index}.0")] = dropped.get(Count("dropped", f"{index}.0"), 0) + 1
        else:
            wanted.append(place)
    assert numbers_of(made) == [numbers[place] for place in wanted]
    assert list(made.known_ends()) == [whole.known_ends()[place] for place in wanted]
    assert (made.start, made.end, made.covers, made.tally) == (whole.start, whole.end, whole.covers, dropped)
    assert made.partial is (partial and len(numbers) - 1 in wanted)
    assert made.continues is (0 in wanted)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), NUMBERS, NUMBERS)
def test_a_rule_with_a_condition_leaves_the_other_events_where_they_were(numbers, asked, dropped):
    whole = piece([b"%d" % number for number in numbers], start=100)
    rule = Sometimes(OneOf(asked), Chosen(OneOf(dropped), "r", keeps=False)).bound(None)
    made = rule.apply(replace(whole, tally={Count("cut", "m", "lines"): 1}))
    wanted = [number for number in numbers if not (number in asked and number in dropped)]
    assert numbers_of(made) == wanted
    lost = len(numbers) - len(wanted)
    assert made.tally == {Count("cut", "m", "lines"): 1} | ({Count("dropped", "r"): lost} if lost else {})
    assert (made.start, made.end) == (whole.start, whole.end)


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_two_parts_of_a_slice_make_it_whole_again(chosen):
    whole = piece([b"%d" % number for number in range(len(chosen))], start=7)
    again = merged(whole, [whole.kept(chosen), whole.kept([not one for one in chosen])])
    assert numbers_of(again) == numbers_of(whole)
    assert list(again.known_ends()) == list(whole.known_ends())
    assert again.details is None
