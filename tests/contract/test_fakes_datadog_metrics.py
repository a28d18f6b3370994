"""The Datadog counterpart takes what Datadog's metric, event and check intakes take, and refuses the rest for a reason."""

import json
import zlib

import pytest

from tests.contract.intake_client import send
from tests.fakes.datadog_points import Points
from tests.fakes.datadog_v1_limits import check_distributions, check_event, check_service_checks
from tests.fakes.strict import RefusedError

NOW = 1_763_848_355
DISTRIBUTIONS = "/api/v1/distribution_points"


def distribution(**changes):
    return {"metric": "a", "points": [[NOW, [1.5, 2]]], "tags": ["k:v"], "type": "distribution"} | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"points": [[NOW, 2]]}, "points"),
        ({"points": [[NOW, []]]}, "points"),
        ({"points": [[NOW + 0.5, [1]]]}, "points"),
        ({"points": [{"timestamp": NOW, "value": 1}]}, "points"),
        ({"points": []}, "points"),
        ({"metric": ""}, "metric"),
        ({"type": "gauge"}, "type"),
        ({"tags": "k:v"}, "tags"),
        ({"interval": 15}, "interval"),
    ],
)
def test_a_distribution_of_another_form_is_refused(changes, reason):
    raw = json.dumps({"series": [distribution(), distribution(**changes)]}).encode()
    with pytest.raises(RefusedError, match=f"series 1: .*{reason}") as caught:
        check_distributions(raw, len(raw), NOW)
    assert caught.value.status == 400


def test_old_and_early_distributions_are_taken_and_dropped_as_datadog_does():
    series = [distribution(points=[[second, [1]]]) for second in (NOW, NOW - 3601, NOW + 601)]
    raw = json.dumps({"series": series}).encode()
    assert [one.flags for one in check_distributions(raw, len(raw), NOW)] == [(), ("too_old",), ("too_new",)]


@pytest.mark.parametrize(
    "changes",
    [
        {"text": None},
        {"title": ""},
        {"text": "x" * 4001},
        {"aggregation_key": "x" * 101},
        {"priority": "high"},
        {"alert_type": "bad"},
        {"date_happened": "now"},
        {"colour": "red"},
    ],
)
def test_an_event_of_another_form_is_refused(changes):
    good = {"title": "t", "text": "x", "date_happened": NOW, "tags": ["a:b"]}
    assert len(check_event(json.dumps(good).encode(), NOW)) == 1
    with pytest.raises(RefusedError):
        check_event(json.dumps(good | changes).encode(), NOW)


@pytest.mark.parametrize(
    "changes", [{"check": ""}, {"host_name": None}, {"status": 4}, {"status": True}, {"tags": None}, {"timestamp": 1.5}]
)
def test_a_check_of_another_form_is_refused(changes):
    good = {"check": "c", "host_name": "", "status": 0, "tags": [], "timestamp": NOW, "message": "m"}
    assert len(check_service_checks(json.dumps([good]).encode())) == 1
    with pytest.raises(RefusedError):
        check_service_checks(json.dumps([good, good | changes]).encode())


async def test_each_intake_insists_on_its_media_type_and_encodings(client, intake):
    raw = json.dumps({"series": [distribution()]}).encode()
    text = {"Content-Type": "text/json"}
    assert await send(client, intake, raw, path=DISTRIBUTIONS) == 415
    assert await send(client, intake, raw, path=DISTRIBUTIONS, **text) == 202
    deflated = {**text, "Content-Encoding": "deflate"}
    assert await send(client, intake, zlib.compress(raw), path=DISTRIBUTIONS, **deflated) == 202
    assert await send(client, intake, raw, path=DISTRIBUTIONS, **text, **{"Content-Encoding": "zstd"}) == 415
    assert len(intake.taken["distributions"]) == 2
    assert intake.state()["accepted_distributions"] == 2


async def test_events_and_checks_have_their_addresses(client, intake):
    event = json.dumps({"title": "t", "text": "x"}).encode()
    check = json.dumps([{"check": "c", "host_name": "", "status": 0, "tags": []}]).encode()
    assert await send(client, intake, event, path="/api/v1/events") == 202
    assert await send(client, intake, check, path="/api/v1/check_run") == 202
    assert (len(intake.taken["events"]), len(intake.taken["checks"])) == (1, 1)


def series(kind, value, second=NOW, tags=("a:b",), **more):
    return {"metric": "m", "type": kind, "points": [{"timestamp": second, "value": value}], "tags": list(tags), **more}


def test_of_points_at_one_time_the_last_one_is_shown_and_distributions_add_up():
    points = Points.of(
        [series(1, 5), series(1, 7), series(1, 1, NOW + 1), series(1, 2, tags=("a:c",))],
        [distribution(), distribution()],
    )
    assert (points.count("m"), points.count("m", "a:b"), points.last("m", "a:c")) == (10, 8, 2)
    assert points.of_distribution("a", "k:v") == [1.5, 2, 1.5, 2]


def test_a_rate_counts_for_its_interval():
    assert Points.of([series(2, 2.0, interval=15)], []).count("m") == 30
