import shutil
import subprocess

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from aggregator.core.opening import OpenLimits
from tests.aggregator.exposing import (
    CART,
    OPENMETRICS,
    SHIP,
    both,
    family,
    of_pods,
    openmetrics,
    page,
    push,
    scrape,
    text,
)


def test_a_family_is_one_chunk_with_every_pods_lines_under_one_head():
    shown = page()
    push(shown, CART, family("up_to", ({"a": "1"}, 2)))
    push(shown, SHIP, family("up_to", ({"a": "1"}, 0.5)))
    (chunk,) = (chunk for chunk in shown.render() if b"up_to" in chunk)
    assert chunk.decode().splitlines() == [
        "# HELP up_to Some help.",
        "# TYPE up_to gauge",
        'up_to{namespace="shop",pod="cart",a="1"} 2',
        'up_to{namespace="shop",pod="ship",a="1"} 0.5',
    ]


def test_what_a_pod_claims_to_be_is_overwritten_by_what_it_is():
    shown = page()
    push(shown, CART, family("a", ({"pod": "ship", "namespace": "kube-system", "container": "app"}, 1)))
    assert 'a{namespace="shop",pod="cart",container="app"} 1' in of_pods(shown)


def test_a_push_replaces_all_that_the_pod_showed():
    shown = page()
    push(shown, CART, family("a", ({"n": "1"}, 1), ({"n": "2"}, 1)), family("b", ({}, 1)))
    push(shown, CART, family("a", ({"n": "2"}, 5)), sequence=2)
    assert of_pods(shown) == {"# HELP a Some help.", "# TYPE a gauge", 'a{namespace="shop",pod="cart",n="2"} 5'}


def test_a_goodbye_takes_the_pod_off_the_page():
    shown = page()
    push(shown, CART, family("a", ({}, 1)))
    push(shown, CART, sequence=2, goodbye=True)
    assert of_pods(shown) == set()


def test_a_silent_pod_leaves_after_the_stated_time_and_not_before():
    shown = page(expire_seconds=60)
    push(shown, CART, family("a", ({}, 1)), now=100)
    assert (shown.expire(159.9), bool(of_pods(shown))) == (0, True)
    assert (shown.expire(160), bool(of_pods(shown))) == (1, False)


def test_a_snapshot_that_was_shown_already_changes_nothing():
    shown = page()
    push(shown, CART, family("a", ({}, 2)), sequence=2)
    assert not push(shown, CART, family("a", ({}, 1)), sequence=1).shown
    assert not push(shown, CART, family("a", ({}, 9)), sequence=2, goodbye=True).shown
    assert 'a{namespace="shop",pod="cart"} 2' in of_pods(shown)


def test_a_pod_that_comes_back_under_its_name_takes_its_old_place_and_a_late_word_of_the_old_one_is_ignored():
    shown = page()
    heir = msgspec.structs.replace(CART, uid="u-2")
    push(shown, CART, family("a", ({}, 1)), taken_unix_ns=10)
    push(shown, heir, family("a", ({}, 2)), taken_unix_ns=20)
    push(shown, CART, sequence=2, taken_unix_ns=15, goodbye=True)
    assert [line for line in of_pods(shown) if line.startswith("a{")] == ['a{namespace="shop",pod="cart"} 2']


def test_a_collector_that_restarted_counts_from_one_again():
    shown = page()
    push(shown, CART, family("a", ({}, 1)), sequence=9, taken_unix_ns=10)
    assert push(shown, CART, family("a", ({}, 2)), run="r2", sequence=1, taken_unix_ns=20).shown


def test_the_first_type_wins_and_who_differs_has_that_family_alone_in_quarantine():
    shown = page()
    push(shown, CART, family("a", ({}, 1)))
    pushed = push(shown, SHIP, family("a", ({}, 2), kind="counter"), family("b", ({}, 3)))
    assert pushed.quarantined == {"a"}
    assert {line for line in of_pods(shown) if "ship" in line} == {'b{namespace="shop",pod="ship"} 3'}
    assert shown.refused_series == {"type_differs": 1}
    assert "aggregator_exposition_quarantined_families 1" in text(shown)


def test_a_quarantine_is_news_only_once():
    shown = page()
    push(shown, CART, family("a", ({}, 1)))
    push(shown, SHIP, family("a", ({}, 2), kind="counter"))
    assert push(shown, SHIP, family("a", ({}, 2), kind="counter"), sequence=2).quarantined == frozenset()


def test_when_the_first_is_gone_the_other_type_may_come():
    shown = page()
    push(shown, CART, family("a", ({}, 1)))
    push(shown, SHIP, family("a", ({}, 2), kind="counter"))
    push(shown, CART, sequence=2, goodbye=True)
    push(shown, SHIP, family("a", ({}, 2), kind="counter"), sequence=2)
    assert "# TYPE a counter" in of_pods(shown)


def test_a_pod_may_change_its_own_mind_about_a_type():
    shown = page()
    push(shown, CART, family("a", ({}, 1)))
    push(shown, CART, family("a", ({}, 2), kind="counter"), sequence=2)
    assert "# TYPE a counter" in of_pods(shown)


def test_a_counter_and_a_gauge_that_would_share_a_name_in_openmetrics_do_not_meet():
    shown = page()
    push(shown, CART, family("a_total", ({}, 1), kind="counter"), family("a", ({}, 2)), family("a_created", ({}, 3)))
    assert shown.refused_series == {"type_differs": 2}
    assert [f.name for f in parse_openmetrics(openmetrics(shown))][:2] == [
        "towline_pod_last_snapshot_timestamp_seconds",
        "a",
    ]


def test_the_first_help_wins():
    shown = page()
    push(shown, CART, family("a", ({}, 1), help_text="First."))
    push(shown, SHIP, family("a", ({}, 1), help_text="Second."))
    assert {line for line in of_pods(shown) if "HELP" in line} == {"# HELP a First."}


def test_series_above_the_cap_are_refused_and_counted_and_harm_no_neighbour():
    shown, few = page(), OpenLimits(max_series=3)
    push(shown, CART, family("a", *(({"n": str(n)}, n) for n in range(10))), family("b", ({}, 1)), limits=few)
    push(shown, SHIP, family("a", ({}, 1)), limits=few)
    assert sum(line.startswith(("a{", "b{")) and "cart" in line for line in of_pods(shown)) == 3
    assert 'a{namespace="shop",pod="ship"} 1' in of_pods(shown)
    assert shown.refused_series == {"series_cap": 8}


@pytest.mark.parametrize("value", [float("nan"), -1.0, float("-inf")])
def test_a_counter_is_never_negative_and_never_not_a_number(value):
    shown = page()
    push(shown, CART, family("a_total", ({"n": "1"}, value), ({"n": "2"}, 1), kind="counter"))
    assert shown.refused_series == {"value": 1}
    assert 'a_total{namespace="shop",pod="cart",n="2"} 1' in of_pods(shown)


def test_a_series_said_twice_is_shown_once():
    shown = page()
    push(shown, CART, family("a", ({"x": "1", "y": ""}, 1), ({"x": "1"}, 2)), family("a", ({"x": "1"}, 3)))
    assert [line for line in of_pods(shown) if line.startswith("a{")] == ['a{namespace="shop",pod="cart",x="1"} 1']
    assert shown.refused_series == {"duplicate": 2}


@pytest.mark.parametrize("name", ["_total", "aggregator_up", "towline_pod_last_snapshot_timestamp_seconds"])
def test_what_is_no_name_or_the_pages_own_is_refused(name):
    shown = page()
    push(shown, CART, family(name, ({}, 1)))
    assert shown.refused_series == {"name": 1}


def test_when_the_pod_last_pushed_is_a_series_of_its_own():
    shown = page()
    push(shown, CART)
    assert 'towline_pod_last_snapshot_timestamp_seconds{namespace="shop",pod="cart"} 1800000000.5' in text(shown)


def test_openmetrics_names_a_counters_family_without_total_and_knows_no_counter_that_has_none():
    shown = page()
    push(
        shown,
        CART,
        family("a_total", ({}, 1), kind="counter"),
        family("b", ({}, 2), kind="counter", help_text='say "b"'),
    )
    types = {f.name: (f.type, f.documentation) for f in parse_openmetrics(openmetrics(shown))}
    assert types["a"] == ("counter", "Some help.")
    assert types["b"] == ("unknown", 'say "b"')


def test_the_page_counts_what_is_on_it():
    shown = page()
    push(shown, CART, family("a", ({"n": "1"}, 1), ({"n": "2"}, 1)))
    said = {
        f.name: f.samples[0].value for f in parse_text(text(shown)) if f.name.startswith("aggregator_") and f.samples
    }
    assert said == {
        "aggregator_exposition_pods": 1,
        "aggregator_exposition_series": 2,
        "aggregator_exposition_quarantined_families": 0,
    }


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_to_say():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    shown = page()
    nasty = {"path": 'a"b\\c\nd}e,f=g', "unicode": "ü→\u2028", "blank": "  "}
    push(shown, CART, family("request_size_bytes", (nasty, 1.5)), family("requests_total", (nasty, 2), kind="counter"))
    push(
        shown, SHIP, family("requests_total", ({}, 1), kind="gauge"), family("temperature_celsius", ({}, float("nan")))
    )
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text(shown), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def job(pod):
    return msgspec.structs.replace(pod, labels={"batch.kubernetes.io/job-name": "nightly"})


def test_a_finished_jobs_last_sample_stays_for_the_configured_time_and_then_ends():
    shown = page(keep_finished_seconds=100)
    push(shown, job(CART), family("a", ({}, 1)), now=0)
    push(shown, job(CART), family("a", ({}, 2)), now=10, sequence=2, goodbye=True)
    assert (shown.expire(109.9), 'a{namespace="shop",pod="cart"} 2' in of_pods(shown)) == (0, True)
    assert (shown.expire(110), of_pods(shown)) == (1, set())


def test_a_page_that_is_full_refuses_and_counts_and_has_room_again_when_a_pod_leaves():
    shown = page(max_series=3)
    push(shown, CART, family("a", ({"n": "1"}, 1), ({"n": "2"}, 1)))
    push(shown, SHIP, family("b", ({"n": "1"}, 1), ({"n": "2"}, 1)))
    assert shown.refused_series == {"page_cap": 1}
    push(shown, CART, sequence=2, goodbye=True)
    push(shown, SHIP, family("b", ({"n": "1"}, 1), ({"n": "2"}, 1)), sequence=2)
    assert shown.refused_series == {"page_cap": 1}


HISTOGRAM = """\
# HELP took_seconds How long it took.
# TYPE took_seconds histogram
# UNIT took_seconds seconds
took_seconds_bucket{le="0.1"} 3 # {trace_id="abc"} 0.07 1700000000.5
took_seconds_bucket{le="+Inf"} 4
took_seconds_sum 1.5
took_seconds_count 4
took_seconds_created 1.7e9
# EOF
"""


def test_exemplars_and_units_are_shown_in_openmetrics_and_nowhere_else():
    shown = page()
    push(shown, CART, scrapes=(scrape(HISTOGRAM, OPENMETRICS),))
    assert "# {" not in text(shown)
    (took,) = (one for one in parse_openmetrics(openmetrics(shown)) if one.name == "took_seconds")
    assert (took.unit, took.samples[0].exemplar.labels, took.samples[0].exemplar.value) == (
        "seconds",
        {"trace_id": "abc"},
        0.07,
    )
    assert "created" not in text(shown) + openmetrics(shown)


def test_a_histogram_is_never_cut_through_by_a_full_page():
    shown = page(max_series=5)
    push(shown, CART, scrapes=(scrape(HISTOGRAM),))
    assert not any(
        "took_seconds" in line for line in of_pods(shown)
    )  # three rows of the scrape itself, no room for four more


def test_both_formats_show_the_same_series():
    shown = page()
    for pod in (CART, SHIP):
        push(shown, pod, family("a_total", ({"x": "1"}, 5), kind="counter"), scrapes=(scrape(HISTOGRAM, OPENMETRICS),))
    lax, strict = both(shown)
    assert lax == strict
    assert len(lax) == 2 * (1 + 3 + 4)


def test_a_page_is_whole_family_by_family_while_pods_push():
    shown = page()
    for pod in (CART, SHIP):
        push(shown, pod, family("a", ({}, 1)), family("b", ({}, 1)))
    chunks = shown.render()
    first = [next(chunks), next(chunks)]
    push(shown, CART, family("b", ({}, 2), kind="counter"), sequence=2)
    push(shown, SHIP, family("b", ({}, 2), kind="counter"), sequence=2)
    seen = b"".join((*first, *chunks)).decode()
    assert seen.count("# TYPE a ") == 1
    assert seen.count("# TYPE b ") <= 1
