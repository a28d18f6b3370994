"""The reader of the embedded metric format, each rule at its boundary and one beyond, before anything is judged by it."""

import copy
import json

import pytest

from tests.fakes.cloudwatch_emf import EmfFaultError, read

NOW_MS = 1_700_000_000_000
GOOD = {
    "_aws": {
        "Timestamp": NOW_MS,
        "CloudWatchMetrics": [
            {"Namespace": "n", "Dimensions": [["d"], []], "Metrics": [{"Name": "m", "Unit": "Bytes/Second"}]}
        ],
    },
    "d": "v",
    "m": 1.5,
    "whatever": {"else": []},
}
SET = {"Values": [1, 2], "Counts": [3, 1], "Max": 2, "Min": 1, "Count": 4, "Sum": 5}


def changed(change):
    document = copy.deepcopy(GOOD)
    change(document, document["_aws"]["CloudWatchMetrics"][0])
    return json.dumps(document)


def with_many(count):
    def change(root, directive):
        directive["Metrics"] = [{"Name": f"m{number}"} for number in range(count)]
        root |= {f"m{number}": number for number in range(count)}

    return change


def with_dimensions(count):
    def change(root, directive):
        directive["Dimensions"] = [[f"d{number}" for number in range(count)]]
        root |= {f"d{number}": "x" for number in range(count)}

    return change


def put(**members):
    return lambda root, _: root.update(members)


def direct(**members):
    return lambda _, directive: directive.update(members)


def test_a_metric_is_one_in_each_set_of_dimensions():
    data = read(json.dumps(GOOD), NOW_MS)
    assert [(one.name, one.dimensions, one.total, one.unit) for one in data] == [
        ("m", frozenset({("d", "v")}), 1.5, "Bytes/Second"),
        ("m", frozenset(), 1.5, "Bytes/Second"),
    ]


def test_values_come_alone_in_lists_and_with_counts():
    told = [(one.count, one.total, one.low, one.high) for one in read(changed(put(m=[3, 1, 1])), NOW_MS)]
    assert told == [(3, 5, 1, 3)] * 2
    assert read(changed(put(m=SET)), NOW_MS)[0].values == ((1, 3), (2, 1))


@pytest.mark.parametrize(
    "change",
    [
        with_many(100),
        with_dimensions(30),
        put(m=[1] * 100),
        put(m=2**360),
        put(d="v" * 1024),
        direct(Namespace="n" * 255),
        direct(Metrics=[{"Name": "m", "StorageResolution": 1}]),
        lambda root, _: root["_aws"].update(Timestamp=NOW_MS - 14 * 86_400_000),
        lambda root, _: root["_aws"].update(Timestamp=NOW_MS + 7_200_000),
    ],
)
def test_what_is_at_a_boundary_passes(change):
    assert read(changed(change), NOW_MS)


@pytest.mark.parametrize(
    "change",
    [
        with_many(101),
        with_many(0),
        with_dimensions(31),
        put(m=[1] * 101),
        put(m=[]),
        put(m="1"),
        put(m=True),
        put(m=None),
        put(m=2**360 * 2),
        put(d=1),
        put(d=""),
        put(d=" "),
        put(d=":v"),
        put(d="vü"),
        put(d="v\n"),
        put(d="v" * 1025),
        put(more="x" * 262_144),
        put(m=SET | {"Counts": [3]}),
        put(m=SET | {"Counts": [3, 0]}),
        put(m=SET | {"Values": [1, 1]}),
        put(m=SET | {"Count": 5}),
        put(m=SET | {"Min": 1.5}),
        put(m=SET | {"Sum": 9}),
        put(m=SET | {"Median": 1}),
        direct(Namespace=""),
        direct(Namespace="AWS/EC2"),
        direct(Namespace="n" * 256),
        direct(Dimensions=[]),
        direct(Dimensions=["d"]),
        direct(Dimensions=[["d"], ["d"]]),
        direct(Dimensions=[["d", "d"]]),
        direct(Dimensions=[["elsewhere"]]),
        direct(Metrics=[{"Name": "elsewhere"}]),
        direct(Metrics=[{"Name": "m"}, {"Name": "m"}]),
        direct(Metrics=[{"Name": "m", "Unit": "Furlongs"}]),
        direct(Metrics=[{"Name": "m", "StorageResolution": 15}]),
        direct(Metrics=[{"Unit": "None"}]),
        direct(More=1),
        lambda root, _: root["_aws"].pop("Timestamp"),
        lambda root, _: root["_aws"].update(Timestamp=NOW_MS / 1000),
        lambda root, _: root["_aws"].update(Timestamp=NOW_MS - 14 * 86_400_000 - 1),
        lambda root, _: root["_aws"].update(Timestamp=NOW_MS + 7_200_001),
        lambda root, _: root["_aws"].update(CloudWatchMetrics=[]),
        lambda root, _: root.pop("_aws"),
    ],
)
def test_what_breaks_a_rule_is_no_metric(change):
    with pytest.raises(EmfFaultError):
        read(changed(change), NOW_MS)


@pytest.mark.parametrize(
    "message", ["", "x", "[]", "[" + json.dumps(GOOD) + "]", json.dumps(GOOD) + "x", changed(put(m=float("nan")))]
)
def test_what_is_not_one_object_of_json_is_no_metric(message):
    with pytest.raises(EmfFaultError):
        read(message, NOW_MS)
