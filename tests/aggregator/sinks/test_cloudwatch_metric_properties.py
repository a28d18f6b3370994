"""Whatever a pod says of itself and its app, CloudWatch can read every log event, and each series is told once or counted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aggregator.exposing import distribution, family, scrape, sketch
from tests.aggregator.sinks.emf import NEW_RUN, SAME, UNKNOWN, Pod
from towline.wire.snapshot import Stamped

names = st.text(max_size=12) | st.sampled_from(
    ["a", "b_total", "_aws", "Namespace", "shop.orders", "x" * 300, "pod_cpu_limit"]
)
labels = st.dictionaries(
    st.text(max_size=5) | st.sampled_from(["le", "quantile", "ClusterName", "_aws", "a", "y" * 260]),
    st.text(max_size=8),
    max_size=4,
)
values = st.floats() | st.integers(0, 10**9).map(float)
sources = st.sampled_from(["pod", "dogstatsd"])

families = st.builds(
    lambda name, samples, kind, source, zero: family(name, *samples, kind=kind, source=source, from_zero=zero),
    names,
    st.lists(st.tuples(labels, values), max_size=4),
    st.sampled_from(["gauge", "counter"]),
    sources,
    st.booleans(),
)
sketches = st.builds(
    lambda own, buckets, zeros, total: sketch(
        own, count=sum(buckets.values()) + zeros, sum=total, zeros=zeros, positive=buckets
    ),
    labels,
    st.dictionaries(st.integers(-2000, 2000), st.floats(0.1, 1e9), max_size=150),
    st.floats(0, 100),
    values,
)
distributions = st.builds(lambda name, each: distribution(name, *each), names, st.lists(sketches, max_size=2))
stamped = st.builds(Stamped, names, st.sampled_from(["gauge", "counter"]), labels, values, st.just(1_799_999_000))
LINES = (
    "# TYPE h histogram",
    'h_bucket{le="1"} 3',
    'h_bucket{le="+Inf"} 5',
    "h_sum 7",
    "h_count 5",
    "# TYPE s summary",
    's{quantile="0.5"} 1',
)
texts = st.lists(st.sampled_from([*LINES, "s_sum 3", "s_count NaN", "u 1e400", 'u{a="\\n"} -1', "}{"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(families | distributions, max_size=5), st.lists(stamped, max_size=2), texts, st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_every_event_can_be_read(snapshots):
    pod = Pod(include=("*",), app_dimensions=(("Namespace", "*"), ("ClusterName",)))
    for number, (said, late, lines, begins) in enumerate(snapshots):
        moment = UNKNOWN if not number else NEW_RUN if begins else SAME
        text = "".join(f"{line}\n" for line in lines)
        pod.say(*said, stamped=tuple(late), scrapes=(scrape(text),), moment=moment)
        assert pod.dropped.keys() <= {
            *("not_finite", "negative", "out_of_range", "name_taken", "dimensions", "held_too_long"),
        }
