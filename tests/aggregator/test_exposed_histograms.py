import pytest

from tests.aggregator.exposing import opened_text, rows_of

OWN = 'instance="127.0.0.1:9000",job="app"'


def histogram(*buckets, rest="h_sum 1\nh_count 5\n"):
    lines = "".join(f'h_bucket{{le="{bound}"}} {value}\n' for bound, value in buckets)
    return f"# TYPE h histogram\n{lines}{rest}"


@pytest.mark.parametrize(
    "text",
    [
        histogram(("1", 3), ("+Inf", 5)),
        histogram(("+Inf", 5), ("1", 3)),
        histogram(("1", 3), ("Inf", 5)),
        histogram(("1", 3)),
        histogram(("1", 3), ("+Inf", 5), rest="h_sum 1\n"),
        histogram(("1", 3), ("+Inf", 5), rest="h_sum 1\nh_count 4\n"),
        histogram(("1", 3.0), ("+Inf", 5.0), rest="h_count 5\nh_sum 1\n"),
    ],
)
def test_a_histogram_is_put_right_where_that_takes_no_guess(text):
    opened = opened_text(text)
    named = {
        name.replace("h_", "") + labels[len(OWN) :]: float(value) for (name, labels), value in rows_of(opened).items()
    }
    assert named == {'bucket,le="1"': 3, 'bucket,le="+Inf"': 5, "sum": 1, "count": 5}
    assert opened.refused == {}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (histogram(("1", 5), ("+Inf", 3)), 4),
        (histogram(("1", 0.5), ("+Inf", 3)), 4),
        (histogram(("1", -1), ("+Inf", 3)), 4),
        (histogram(("one", 1), ("+Inf", 3)), 4),
        (histogram(("NaN", 1), ("+Inf", 3)), 4),
        (histogram(("1", 1), ("1.0", 1), ("+Inf", 3)), 5),
        (histogram(("1", 3), rest=""), 1),
        (histogram(), 2),
        ("# TYPE h histogram\nh_bucket 4\n", 1),
    ],
)
def test_what_is_no_histogram_is_refused_whole_and_its_neighbours_stay(text, rows):
    opened = opened_text(text + 'h_bucket{le="+Inf",x="1"} 1\nh_sum{x="1"} 1\nh_count{x="1"} 1\na 1\n')
    assert len(rows_of(opened)) == 4
    assert opened.refused == {"histogram": rows}


def test_a_sum_that_may_be_negative_leaves_with_its_count_and_the_buckets_stay():
    opened = opened_text(histogram(("1", 3), ("+Inf", 5), rest="h_sum -1\nh_count 5\n"))
    assert ([name for name, _ in rows_of(opened)], opened.refused) == (["h_bucket", "h_bucket"], {"value": 2})


def test_a_summary_keeps_what_a_strict_reader_takes():
    text = '# TYPE s summary\ns{quantile="0.5"} NaN\ns{quantile="2"} 1\ns{quantile="0.9"} -1\ns_sum 3\ns_count 4\n'
    opened = opened_text(text)
    assert (list(rows_of(opened).values()), opened.refused) == (["NaN", "3", "4"], {"value": 2})
