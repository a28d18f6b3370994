"""Totals of lines written as a snapshot and opened again: what destinations see is what the page shows."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.checks import fault_of_pod
from aggregator.core.counted import Moment, is_counted, snapshot_of, speaker_of
from aggregator.core.exposition_lines import label_text
from aggregator.core.log_metrics import Rule, SeriesKey
from aggregator.core.log_series import Standing
from aggregator.core.log_totals import Life, Total, rows_of
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.core.relabel import pairs_of
from tests.aggregator.sinks.batches import POD
from towline.wire.codec import decode_request, encode_request
from towline.wire.snapshot import SnapshotRequest

IDENTITY = f'namespace="{POD.namespace}",pod="{POD.name}"'
HITS = Rule(name="hits_total", type="counter", help="Hits.", labels={"code": "code"})
LEVEL = Rule(name="level", type="gauge", help="Level.", labels={"zone": "z"})
TOOK = Rule(name="took_seconds", type="histogram", help="Took.", labels={"zone": "z"}, buckets=(0.1, 5))


def standing_of(*totals, identity=IDENTITY):
    return Standing(identity, Life("r", is_whole=True, pod=POD), 1, totals)


def opened_of(standing, **limits):
    """As a destination gets it, over the journal's bytes."""
    pod = speaker_of("counts", standing)
    said = decode_request(encode_request(snapshot_of(pod, standing, "", Moment(1, 10**18, 15.0))), SnapshotRequest)
    return open_snapshot(pod, said, OpenLimits(**limits))


def read(rows):
    """Series without the pod's identity, whatever the order of their labels."""
    own = {"namespace", "pod"}
    return {
        (row.name, frozenset(pair for pair in pairs_of(row.labels) if pair[0] not in own), row.value) for row in rows
    }


VALUES = st.floats(min_value=0, max_value=1e300)
COUNTS = st.lists(st.integers(0, 10**12), min_size=3, max_size=3).map(tuple)
TOTALS = st.one_of(
    st.tuples(st.just(HITS), VALUES.map(Total)),
    st.tuples(st.just(LEVEL), st.floats(allow_nan=False, allow_infinity=False).map(Total)),
    st.tuples(st.just(TOOK), st.builds(Total, VALUES, COUNTS)),
)


@given(st.dictionaries(st.text(max_size=5), TOTALS, max_size=8))
def test_what_is_opened_is_what_the_page_shows(totals):
    wanted = [(rule, label_text({next(iter(rule.labels)): text}), total) for text, (rule, total) in totals.items()]
    opened = opened_of(standing_of(*wanted))
    shown = [
        row for rule, labels, total in wanted for row in rows_of(rule, SeriesKey(rule.name, IDENTITY, labels), total)
    ]
    assert read(row for family in opened.families for row in family.rows) == read(shown)
    assert opened.refused == {}
    assert {family.source for family in opened.families} <= {"logs"}


def test_what_adds_up_began_with_the_run_and_has_its_type_and_help():
    opened = opened_of(standing_of((HITS, "", Total(1)), (LEVEL, "", Total(2)), (TOOK, "", Total(3, (1, 0, 0)))))
    found = [(family.name, family.kind, family.help, family.from_zero) for family in opened.families]
    assert found == [
        ("hits_total", "counter", "Hits.", True),
        ("level", "gauge", "Level.", False),
        ("took_seconds", "histogram", "Took.", True),
    ]


def test_more_series_than_a_pod_may_have_are_all_there():
    totals = [(HITS, f'code="{number}"', Total(number)) for number in range(50)]
    assert len(opened_of(standing_of(*totals), max_series=10).families[0].rows) == 50


def test_a_series_that_is_too_long_is_refused_alone():
    long = label_text({f"l{number}": "x" * 250 for number in range(40)})
    opened = opened_of(standing_of((TOOK, long, Total(1, (1, 0, 0))), (TOOK, "", Total(1, (1, 0, 0)))))
    assert (len(opened.families[0].rows), opened.refused) == (5, {"too_long": 4})


def test_no_collector_may_speak_as_an_owner_of_totals():
    speaker = speaker_of("counts", standing_of())
    assert is_counted(speaker.uid)
    assert not is_counted(POD.uid)
    assert fault_of_pod(msgspec.structs.replace(POD, uid=f"counted:{POD.uid}")).startswith("pod: uid begins")
    assert fault_of_pod(POD) == ""


def test_owners_are_told_apart_by_sink_and_identity():
    one, other = standing_of(), standing_of(identity='namespace="shop",workload="web"')
    assert len({speaker_of(sink, it).uid for sink in ("a", "b") for it in (one, other)}) == 4
