import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from aggregator.core.opening import OpenLimits
from tests.aggregator.exposing import (
    CART,
    OPENMETRICS,
    TEXT,
    bare,
    both,
    opened_text,
    page,
    push,
    rows_of,
    scrape,
    series_of,
)

OWN = 'instance="127.0.0.1:9000",job="app"'


def kinds(opened):
    return {one.name: one.kind for one in opened.families if not one.name.startswith(("up", "scrape_"))}


def app():
    """An app as the official client exposes it, everything in use."""
    registry = CollectorRegistry()
    Counter("orders", "Orders.", ["way"], registry=registry).labels('a"b\\c\nd}e,f=g').inc(3)
    Gauge("queue", "Queue.", registry=registry).set(float("nan"))
    took = Histogram("took_seconds", "Took.", ["path"], registry=registry, buckets=(0.1, 1))
    took.labels("/x").observe(0.5, {"trace_id": "abc"})
    took.labels("/y").observe(2)
    Summary("size_bytes", "Size.", registry=registry).observe(5)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Enum("state", "State.", states=["up", "down"], registry=registry).state("down")
    return registry


@pytest.mark.parametrize(
    ("text", "content_type"), [(generate_latest(app()), TEXT), (generate_openmetrics(app()), OPENMETRICS)]
)
def test_what_the_official_client_exposes_is_read_whole_and_shown_in_both_formats(text, content_type):
    opened = opened_text(text.decode(), content_type)
    assert opened.refused == {}
    assert kinds(opened)["took_seconds"] == "histogram"
    assert kinds(opened)["orders_total"] == "counter"
    shown = page()
    push(shown, CART, scrapes=(scrape(text, content_type),))
    lax, strict = both(shown)
    assert lax.keys() == strict.keys()
    said = {
        (
            name,
            tuple(
                sorted(
                    {
                        **dict(labels),
                        "job": "app",
                        "instance": "127.0.0.1:9000",
                        "namespace": "shop",
                        "pod": "cart",
                    }.items()
                )
            ),
        )
        for name, labels in series_of(read_text(generate_latest(app()).decode()))
        if not name.endswith("_created")
    }
    assert said <= lax.keys()
    assert {name for name, _ in lax.keys() - said} == {"up", "scrape_duration_seconds", "scrape_samples_scraped"}


def test_the_scrapes_labels_are_on_each_series_and_an_apps_own_of_that_name_is_kept_beside_them():
    opened = opened_text('a{job="mine",x="1"} 5\n')
    assert rows_of(opened, "a") == {("a", f'exported_job="mine",{OWN},x="1"'): "5"}


def test_identity_that_an_app_claims_is_left_out_and_its_container_is_kept():
    opened = opened_text('a{pod="ship",namespace="kube-system",container="app"} 5\n')
    assert rows_of(opened, "a") == {("a", f'container="app",{OWN}'): "5"}


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ('a{x="}"} 1', 'x="}"', "1"),
        ('a{x="\\"} 2"} 1', 'x="\\"} 2"', "1"),
        ('a{x="b\\nc\\\\"} 1', 'x="b\\nc\\\\"', "1"),
        ('a{x="\\q"} 1', 'x="\\\\q"', "1"),
        ('a{x="# HELP"} 1', 'x="# HELP"', "1"),
        ('a{x="1",} 1', 'x="1"', "1"),
        ('a { x = "1" , y="2" }  1', 'x="1",y="2"', "1"),
        ('a{y="2",x="1"} 1', 'x="1",y="2"', "1"),
        ('a{x="",y="2"} 1', 'y="2"', "1"),
        ("a{} 1", "", "1"),
        ("a 1 1700000000000", "", "1"),
        ("a\t1", "", "1"),
        ('a{x="%s"} 1', 'x="%s"', "1"),
        ('a{x="ü"} 1', 'x="ü"', "1"),
        ("a +1", "", "1"),
        ("a 1e3", "", "1000"),
        ("a .5", "", "0.5"),
        ("a nan", "", "NaN"),
        ("a Inf", "", "+Inf"),
        ("a -inf", "", "-Inf"),
        ("a 1.7976931348623157e+308", "", "1.7976931348623157e+308"),
        ('{"a",x="1"} 1', 'x="1"', "1"),
        ('a{"my label"="1"} 1', 'my_label="1"', "1"),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_sample_is_read_however_it_is_written(line, labels, value, end):
    opened = opened_text(line + end)
    together = f"{OWN},{labels}" if labels else OWN
    assert (rows_of(opened, "a"), opened.refused) == ({("a", together): value}, {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("garbage", "malformed"),
        ("<html><body>no metrics here</body>", "malformed"),
        ("a", "malformed"),
        ("a one", "malformed"),
        ("a 1_000", "malformed"),
        ("a ٣", "malformed"),
        ("a 0x10", "malformed"),
        ("a 1 then", "malformed"),
        ("a{ 1", "malformed"),
        ('a{x="1} 1', "malformed"),
        ('a{x="1" y="2"} 1', "malformed"),
        ('a{x="1",x="2"} 1', "malformed"),
        ("a{x=1} 1", "malformed"),
        ('a{x="1"}} 1', "malformed"),
        ("9a 1", "malformed"),
        ("a 1e999", "value"),
        ("a " + "9" * 400, "value"),
        ('a{x="' + "y" * 10_000 + '"} 1', "too_long"),
        ("a" * 600 + " 1", "too_long"),
    ],
)
def test_a_bad_line_is_counted_by_its_reason_and_harms_no_neighbour(line, reason):
    opened = opened_text(f"before 1\n{line}\nafter 2\n")
    assert rows_of(opened) == {("before", OWN): "1", ("after", OWN): "2"}
    assert opened.refused == {reason: 1}


def test_the_first_type_of_a_text_wins_and_what_follows_another_is_refused_until_the_first_is_said_again():
    opened = opened_text('# TYPE a gauge\na{x="1"} 1\n# TYPE a counter\na{x="2"} 2\n# TYPE a gauge\na{x="3"} 3\n')
    assert kinds(opened) == {"a": "gauge"}
    assert set(rows_of(opened).values()) == {"1", "3"}
    assert opened.refused == {"type_differs": 1}


def test_a_type_that_would_take_anothers_samples_takes_only_what_is_free():
    opened = opened_text('# TYPE h_count gauge\nh_count 7\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_count 8\n')
    assert rows_of(opened, "h_count") == {("h_count", OWN): "7"}
    assert opened.refused == {"type_differs": 1, "duplicate": 1}


def test_families_that_are_interleaved_are_put_together():
    opened = opened_text('# TYPE a gauge\n# TYPE b gauge\na{x="1"} 1\nb 1\na{x="2"} 2\n')
    assert [len(one.rows) for one in opened.families if one.name in {"a", "b"}] == [2, 1]


def test_samples_without_a_type_are_unknown():
    assert kinds(opened_text("a 1\n# TYPE b untyped\nb 1\n# HELP c Some.\nc 1\n")) == dict.fromkeys("abc", "unknown")


def test_a_series_said_twice_is_shown_once_however_its_labels_are_ordered():
    opened = opened_text('a{x="1",y="2"} 1\na{y="2",x="1"} 2\n')
    assert (list(rows_of(opened).values()), opened.refused) == (["1"], {"duplicate": 1})


def test_help_is_read_with_its_escapes():
    (one,) = (
        one for one in opened_text('# HELP a A \\\\ b\\nc "d"\n# TYPE a gauge\na 1\n').families if one.name == "a"
    )
    assert one.help == 'A \\ b\nc "d"'


def test_created_series_are_no_measurement_in_either_format():
    text = "# TYPE a_total counter\na_total 1\n# TYPE a_created gauge\na_created 1.7e9\n# TYPE b_created gauge\nb_created 1\n"
    assert kinds(opened_text(text)) == {"a_total": "counter", "b_created": "gauge"}
    assert opened_text("# TYPE a counter\na_total 1\na_created 1.7e9\n# EOF\n", OPENMETRICS).refused == {}


@pytest.mark.parametrize(
    ("exemplar", "shown"),
    [
        ('# {trace_id="x"} 1 1700000000.5', ' # {trace_id="x"} 1 1700000000.5'),
        ('# {trace_id="x"} 0.5', ' # {trace_id="x"} 0.5'),
        ('# {t="}"} 1', ' # {t="}"} 1'),
        ('# {trace_id="' + "x" * 130 + '"} 1', ""),
    ],
)
def test_an_exemplar_is_kept_where_openmetrics_takes_it(exemplar, shown):
    opened = opened_text(f"# TYPE a counter\na_total 5 {exemplar}\n# EOF\n", OPENMETRICS)
    (row,) = (row for one in opened.families if one.name == "a_total" for row in one.rows)
    assert (row.value, row.exemplar, opened.refused) == ("5", shown, {})


def test_more_series_than_a_pod_may_have_are_refused_and_counted():
    opened = opened_text("".join(f'a{{n="{n}"}} {n}\n' for n in range(100_000)), limits=OpenLimits(max_series=1000))
    assert sum(len(one.rows) for one in opened.families) == 1000
    assert opened.refused == {"series_cap": 100_000 + 3 - 1000}


@pytest.mark.parametrize(
    "line", ['a{x="', "}" * 1000, "a{" + "}" * 1000, '"' * 1000, "\\" * 1000, "a 1" * 300, "#" * 1000, 'a{x="1"} 1 # {']
)
def test_hostile_text_takes_no_more_than_linear_time(line):
    seconds = []
    for times in (20, 200):
        before = time.process_time()
        opened_text((line * times + "\n") * 50)
        seconds.append(time.process_time() - before)
    assert seconds[1] < 40 * seconds[0] + 0.2


WORDS = """a b_total h_bucket _sum { } " = , \\ le x x="1" le="1" le="+Inf" 1 -1 NaN e9 _created ü"""
pieces = st.sampled_from(
    [
        *WORDS.split(" "),
        " ",
        "\n",
        "\r",
        "\x00",
        "\u2028",
        "# TYPE ",
        "# HELP ",
        " counter",
        " histogram",
        "# {",
        "# EOF",
    ]
)


@given(st.lists(pieces, max_size=60).map("".join), st.sampled_from([TEXT, OPENMETRICS]))
def test_no_text_makes_a_page_that_either_parser_refuses_or_reads_otherwise(text, content_type):
    shown = page()
    push(shown, CART, scrapes=(scrape(text, content_type),))
    lax, strict = both(shown)
    assert bare(lax) == bare(strict)
    assert all(dict(labels)["pod"] == "cart" for _, labels in lax)


@given(st.lists(pieces, max_size=60).map("".join))
def test_every_sample_of_a_text_is_kept_or_counted(text):
    opened = opened_text(text)
    (scraped,) = rows_of(opened, "scrape_samples_scraped").values()
    kept = len(rows_of(opened))
    added = sum(1 for one in opened.families if one.kind == "histogram")  # at most a bucket and a count for each
    created = text.count("_created")
    assert kept + sum(opened.refused.values()) >= int(scraped) - created
    assert kept <= int(scraped) + 2 * added * len(text)
