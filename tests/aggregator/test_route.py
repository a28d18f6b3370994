from aggregator.core.route import Route, Routes
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-1", uid="u1")
ORIGIN = Origin(path="/var/log/app/a.log")


def test_a_stream_is_owed_to_every_sink_that_a_route_names():
    assert Routes([Route(("a", "b"))], ["a", "b", "c"]).owed(POD, ORIGIN) == ("a", "b")


def test_two_routes_that_name_one_sink_owe_it_once():
    assert Routes([Route(("a", "b")), Route(("b", "c"))], ["a", "b", "c"]).owed(POD, ORIGIN) == ("a", "b", "c")


def test_a_pull_sink_is_owed_nothing():
    assert Routes([Route(("page", "a"))], ["a"]).owed(POD, ORIGIN) == ("a",)


def test_without_routes_every_push_sink_is_owed():
    assert Routes([], ["a", "b"]).owed(POD, ORIGIN) == ("a", "b")
