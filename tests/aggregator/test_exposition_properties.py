"""Whatever strings a pod sends, the page reads back as what was sent and nothing more."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from aggregator.core.exposition_lines import LabelWriter, number, numbers
from tests.aggregator.exposing import both, openmetrics, page, push, text
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample

nasty = st.text(
    alphabet=st.one_of(st.sampled_from('\\"\n\r\t{}=,# _%\x00\u2028'), st.characters(codec="utf-8")), max_size=8
)
valid_names = st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9]{0,4}\Z")
values = st.floats(allow_nan=True, allow_infinity=True)
labels = st.dictionaries(valid_names, nasty, max_size=4)
gauges = st.dictionaries(
    valid_names,
    st.lists(st.tuples(labels, values), min_size=1, max_size=4),
    max_size=3,
)


def shown_of(families, pod):
    shown = page()
    push(shown, pod, *families)
    return shown


def same(one, other):
    return one.keys() == other.keys() and all(
        one[key] == other[key] or (math.isnan(one[key]) and math.isnan(other[key])) for key in one
    )


@given(gauges, nasty, nasty, nasty)
def test_both_formats_read_back_as_what_was_sent_and_nothing_more(sent, namespace, pod_name, help_text):
    pod = Pod(namespace=namespace, name=pod_name, uid="u")
    families = [
        Family(name=name, type="gauge", help=help_text, samples=tuple(Sample(*sample) for sample in samples))
        for name, samples in sent.items()
    ]
    identity = {"namespace": namespace, "pod": pod_name}
    expected = {}
    for name, samples in sent.items():
        for own, value in samples:
            whole = {key: text for key, text in (own | identity).items() if text}
            expected.setdefault((name, tuple(sorted(whole.items()))), value)
    shown = shown_of(families, pod)
    assert same(both(shown)[0], expected)
    assert same(both(shown)[1], expected)


anything = st.builds(
    Family,
    name=st.one_of(nasty, st.sampled_from(["a", "a_total", "a_created", "_total", "a_total_total"])),
    type=st.sampled_from(["gauge", "counter"]),
    help=nasty,
    samples=st.lists(
        st.builds(
            Sample,
            st.dictionaries(
                st.one_of(nasty, st.sampled_from(["__name__", "pod", "a-b", "a_b", "9"])), nasty, max_size=4
            ),
            values,
        ),
        max_size=4,
    ).map(tuple),
)


@given(st.lists(anything, max_size=4))
def test_no_snapshot_makes_a_page_that_either_parser_refuses_or_that_has_a_series_twice(families):
    shown = shown_of(families, Pod(namespace="n", name="p", uid="u"))
    for parsed in (list(parse_text(text(shown))), list(parse_openmetrics(openmetrics(shown)))):
        names = [(s.name, tuple(sorted(s.labels.items()))) for f in parsed for s in f.samples]
        assert len(set(names)) == len(names)
        assert all(dict(key).get("pod") == "p" for name, key in names if not name.startswith("aggregator_"))
        assert len({f.name for f in parsed}) == len(parsed)


@given(st.lists(anything, max_size=4))
def test_every_series_that_was_pushed_is_shown_or_counted_as_refused(families):
    shown = shown_of(families, Pod(namespace="n", name="p", uid="u"))
    lines = [line for line in text(shown).split("\n") if re.match(r"(?!aggregator_|towline_)[a-zA-Z_:]", line)]
    assert len(lines) + sum(shown.refused_series.values()) == sum(len(family.samples) for family in families)


@given(values)
def test_a_number_reads_back_as_itself(value):
    assert float(number(value)) == value or (math.isnan(value) and number(value) == "NaN")


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "a b", "a.b", "pod", "le"]), nasty | st.just(""), max_size=3))
)
def test_label_sets_are_written_together_as_they_are_one_by_one(sets):
    together, alone = (LabelWriter(frozenset({"pod"})) for _ in range(2))
    assert [together.write_all(sets), together.write_all(sets)] == [[alone.write(one) for one in sets]] * 2


@given(st.lists(values))
def test_numbers_are_written_together_as_they_are_one_by_one(many):
    assert numbers(many) == [number(one) for one in many]
