"""Whatever a pod says, what is made of it is taken by the intakes, and made again it is the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.joining import Join
from tests.aggregator.sinks.datadog_points import SECOND, Telling, measured, request
from towline.wire.snapshot import Distribution, Event, Family, Scrape, ServiceCheck, Stamped

TEXT = st.text(max_size=12)
NAMES = st.one_of(TEXT, st.sampled_from(["hits", "a.b", "container_cpu_usage_seconds_total", "up", "le", "pod_name"]))
LABELS = st.dictionaries(NAMES, TEXT, max_size=4)
VALUES = st.one_of(st.floats(), st.integers(0, 9).map(float))
COUNTS = st.one_of(st.integers(0, 50).map(float), st.floats(0, 60), st.just(1e300))
SAMPLES = st.lists(st.tuples(LABELS, VALUES), max_size=4)
SKETCHES = st.builds(
    Distribution,
    LABELS,
    COUNTS,
    VALUES,
    COUNTS,
    st.dictionaries(st.integers(-50_000, 50_000), COUNTS, max_size=3),
    st.dictionaries(st.integers(-500, 500), COUNTS, max_size=3),
)
SECONDS = st.one_of(st.integers(SECOND - 100, SECOND + 100), st.integers(0, 2**62))
PROMETHEUS = st.lists(
    st.one_of(
        TEXT,
        st.sampled_from(
            [
                "# TYPE h histogram",
                "# TYPE s summary",
                "# TYPE c_total counter",
                'h_bucket{le="1"} 3',
                'h_bucket{le="+Inf"} 5',
                'h_bucket{le="-1e308"} 1',
                "h_sum 7",
                "h_count 5",
                's{quantile="0.5"} NaN',
                "s_sum 1",
                "c_total 5",
                'g{a="\\n,\\"}"} 1e308',
            ]
        ),
    ),
    max_size=14,
).map("\n".join)


def scrape_of(text):
    raw = text.encode("utf-8", "replace")
    return Scrape(
        labels={"job": "x"}, scraped_unix_ns=0, duration_seconds=0.1, up=True, codec="none", length=len(raw), body=raw
    )


@st.composite
def snapshots(draw):
    families = [measured(draw(NAMES), draw(st.sampled_from(["gauge", "counter"])), *draw(SAMPLES))]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["gauge", "counter", "histogram"]))
        said = measured(draw(NAMES), kind, *([] if kind == "histogram" else draw(SAMPLES)))
        families.append(
            Family(
                name=said.name,
                type=kind,
                help="",
                source="dogstatsd",
                from_zero=True,
                flavour=draw(st.sampled_from(["histogram", "timing", "distribution"])) if kind == "histogram" else "",
                samples=said.samples,
                distributions=tuple(draw(st.lists(SKETCHES, max_size=2))) if kind == "histogram" else (),
            )
        )
    stamped = st.builds(Stamped, NAMES, st.sampled_from(["gauge", "counter"]), LABELS, VALUES, SECONDS)
    tags = st.lists(TEXT, max_size=3).map(tuple)
    titled = st.text(min_size=1, max_size=5)
    events = st.builds(Event, title=titled, text=TEXT, unix_seconds=SECONDS, aggregation_key=TEXT, tags=tags)
    checks = st.builds(ServiceCheck, name=titled, status=st.integers(0, 3), unix_seconds=SECONDS, tags=tags)
    return {
        "families": tuple(families),
        "scrapes": (scrape_of(draw(PROMETHEUS)),),
        "stamped": tuple(draw(st.lists(stamped, max_size=3))),
        "events": tuple(draw(st.lists(events, max_size=2))),
        "checks": tuple(draw(st.lists(checks, max_size=2))),
    }


@settings(max_examples=50, deadline=None)
@given(
    st.lists(snapshots(), min_size=1, max_size=3),
    st.sampled_from(["distributions", "buckets"]),
    st.sampled_from(["count", "rate"]),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_whatever_a_pod_says_is_taken_or_counted(said, histograms, statsd_counts, old):
    telling, again = (Telling(judged=False, histograms=histograms, statsd_counts=statsd_counts) for _ in range(2))
    for number, snapshot in enumerate(said):
        one = request(second=SECOND + number, sequence=number + 1, **snapshot)
        join = Join.BEGINS if number == 0 else Join.SAME_RUN
        fragments = telling.tell(one, join, too_old=old[number])  # what the intakes refuse is an error here
        assert fragments == again.tell(one, join, too_old=old[number])
        assert telling.state == again.state
