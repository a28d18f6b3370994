import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.gathered import Gathered
from collector.core.snapshot import Outcome, SnapshotQueue
from towline.wire.codec import decode_request
from towline.wire.identity import Pod
from towline.wire.snapshot import Event, Family, Sample, Scrape, SnapshotAnswer, SnapshotRequest

POD = msgspec.Raw(msgspec.msgpack.encode(Pod(namespace="shop", name="cart-1", uid="u1")))


def queue(**options):
    made = SnapshotQueue(POD, run="r1", interval_seconds=15.0, **({"max_series": 100} | options))
    made.join("j1")
    return made


def gauge(name, *values, kind="gauge"):
    samples = tuple(Sample({"n": str(n)}, value) for n, value in enumerate(values))
    return Family(name=name, type=kind, help="h", samples=samples)


def said(*families):
    return Gathered(families=families)


def answer(code, sequence=0, journal="j1"):
    return SnapshotAnswer(journal=journal, code=code, sequence=sequence)


def values_of(request):
    return {(f.name, s.labels["n"]): s.value for f in request.families for s in f.samples}


def test_nothing_sampled_is_nothing_to_send():
    assert queue().take() is None


def test_sequences_count_from_one_as_snapshots_are_taken():
    made = queue()
    for sequence in (1, 2, 3):
        made.offer(said(gauge("a", 1)), 5)
        assert made.take().sequence == sequence
        assert made.answered(answer(200, sequence)) is Outcome.TAKEN
    assert made.is_empty


def test_what_is_in_flight_is_sent_again_byte_for_byte_whatever_was_sampled_since():
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    first = made.body
    made.offer(said(gauge("a", 2)), 6)
    made.use(POD)
    made.answered(answer(503))
    again = made.take()
    assert (made.body, again.taken_unix_ns) == (first, 5)
    assert decode_request(first, SnapshotRequest) == again


def test_what_was_sampled_meanwhile_goes_into_the_next_one_the_latest_winning():
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    made.offer(said(gauge("a", 2, 7), gauge("c_total", 10, kind="counter")), 6)
    made.offer(said(gauge("a", 3), gauge("c_total", 30, kind="counter")), 7)
    made.answered(answer(200, 1))
    second = made.take()
    assert (second.sequence, second.taken_unix_ns) == (2, 7)
    assert values_of(second) == {("a", "0"): 3, ("a", "1"): 7, ("c_total", "0"): 30}


@pytest.mark.parametrize("code", [401, 403, 409, 426, 429, 503])
def test_an_answer_that_asks_for_patience_keeps_the_snapshot(code):
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    assert made.answered(answer(code)) is Outcome.KEPT
    assert made.take().sequence == 1


@pytest.mark.parametrize("code", [400, 413])
def test_a_snapshot_that_will_never_be_taken_is_given_up_and_counted(code):
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    assert made.answered(answer(code)) is Outcome.GIVEN_UP
    assert (made.given_up_snapshots, made.take()) == (1, None)


def test_one_that_is_too_large_goes_again_with_only_what_the_pod_measured():
    made = queue()
    flood = msgspec.structs.replace(gauge("flood", 1, 2), source="dogstatsd")
    text = Scrape(labels={"job": "app"}, scraped_unix_ns=5, duration_seconds=1.0, up=True, length=9, body=b"z" * 9)
    events = (Event(title="t", text="", unix_seconds=5),)
    made.offer(Gathered(families=(gauge("a", 1), flood), scrapes=(text,), events=events), 5)
    made.take()
    assert made.answered(answer(413)) is Outcome.KEPT
    again = made.take()
    assert (again.sequence, values_of(again), again.events) == (1, {("a", "0"): 1}, ())
    assert [(one.up, one.error, one.body) for one in again.scrapes] == [(False, "no_room", b"")]
    assert made.dropped == {"series": 2, "scrapes": 1, "events": 1}
    assert decode_request(made.body, SnapshotRequest).families == again.families
    assert made.answered(answer(413)) is Outcome.GIVEN_UP


def test_a_copy_is_taken_whatever_the_code_since_the_journal_has_its_sequence():
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    assert made.answered(answer(409, 1)) is Outcome.TAKEN


def test_another_journal_gets_the_same_samples_under_the_same_sequence():
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    first = made.take()
    assert made.answered(answer(421, journal="j2")) is Outcome.KEPT
    second = made.take()
    assert second == msgspec.structs.replace(first, journal="j2")
    assert decode_request(made.body, SnapshotRequest) == second


@pytest.mark.parametrize("name", ["", "j2", "x" * 40, "y" * 300])
def test_what_is_in_flight_is_addressed_anew_without_being_opened(name):
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    first = made.take()
    for journal in (name, "j3", name):
        made.join(journal)
        assert decode_request(made.body, SnapshotRequest) == msgspec.structs.replace(first, journal=journal)


def test_texts_that_wait_make_room_for_those_that_replace_them():
    made = queue()
    text = Scrape(labels={"job": "app"}, scraped_unix_ns=5, duration_seconds=1.0, up=True, length=9, body=b"z" * 9)
    made.offer(Gathered(families=(gauge("a", 1),), scrapes=(text,)), 5)
    made.make_room()
    assert (made.is_fresh, made.take().scrapes) == (False, ())


def test_a_journal_that_was_left_has_no_say():
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    made.join("j2")
    assert made.answered(answer(200, 1, journal="j1")) is Outcome.KEPT


def test_a_collector_that_knows_no_journal_yet_believes_the_first_that_takes_its_snapshot():
    made = SnapshotQueue(POD, run="r1", interval_seconds=15.0, max_series=100)
    made.offer(said(gauge("a", 1)), 5)
    assert made.take().journal == ""
    assert made.answered(answer(200, 1, journal="j1")) is Outcome.TAKEN
    made.offer(said(gauge("a", 1)), 6)
    assert made.take().journal == "j1"


def test_an_answer_to_nothing_is_harmless():
    assert queue().answered(answer(200, 9)) is Outcome.KEPT


def test_goodbye_is_the_last_word_even_without_samples():
    made = queue()
    made.offer(said(gauge("a", 1)), 5)
    made.take()
    made.say_goodbye()
    made.answered(answer(200, 1))
    last = made.take()
    assert (last.goodbye, last.families, last.sequence) == (True, (), 2)
    made.answered(answer(200, 2))
    assert made.is_empty


def test_what_waits_is_bounded_the_newest_being_kept():
    made = queue(max_series=2)
    made.offer(said(gauge("old", 1, 1)), 5)
    made.offer(said(gauge("new", 2)), 6)
    assert values_of(made.take()) == {("new", "0"): 2, ("old", "0"): 1}
    assert made.dropped == {"series": 1}


moments = st.lists(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 9), max_size=3)),
        max_size=2,
        unique_by=lambda family: family[0],
    ),
    max_size=6,
)


@given(moments)
def test_merged_moments_hold_the_last_value_of_every_series(taken):
    made, expected = queue(), {}
    for moment in taken:
        families = [gauge(name, *values) for name, values in moment]
        made.offer(said(*families), 1)
        expected.update(
            values_of(
                SnapshotRequest(
                    journal="",
                    pod=POD,
                    run="",
                    sequence=1,
                    taken_unix_ns=1,
                    interval_seconds=1,
                    families=tuple(families),
                )
            )
        )
    request = made.take()
    assert (values_of(request) if request else {}) == expected


steps = st.lists(st.one_of(st.just("sample"), st.just("take"), st.sampled_from([200, 400, 409, 421, 503])), max_size=30)


@given(steps)
def test_a_sequence_never_names_two_different_snapshots_and_never_jumps(taken):
    made, seen, value = queue(), {}, 0
    for step in taken:
        if step == "sample":
            value += 1
            made.offer(said(gauge("a", value)), value)
        elif step == "take":
            request = made.take()
            if request is not None:
                assert seen.setdefault(request.sequence, made.body) == made.body
                assert request.sequence == len(seen)
        elif made.answered(answer(step, len(seen) if step == 200 else 0)) is Outcome.GIVEN_UP:
            seen.popitem()  # nobody has taken it: the next snapshot has its number
