"""What is found in a configuration, and conditions, rules and lines at random to hold it against."""

import json

from hypothesis import strategies as st

from aggregator.config import AggregatorConfig
from aggregator.core.levels import LEVELS
from aggregator.findings import findings
from aggregator.route_config import plans_of
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.plumbing.yaml_file import parse_yaml

FILE = "aggregator.yaml"
SINKS = ("a", "b")

VALUES = st.sampled_from(["x", "xy", "y", "5", "7", "", 5, 7, 7.5, True, None, {"c": "x"}])
LINES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "f": VALUES,
            "g": VALUES,
            "message": VALUES,
            "level": st.sampled_from([*LEVELS, "odd"]),
        },
    ).map(json.dumps)
    | st.sampled_from(["x", "xy", "plain", "5"]),
    min_size=1,
    max_size=8,
)
_TESTS = st.one_of(
    st.fixed_dictionaries({"equals": st.lists(st.sampled_from(["x", "xy", 5, "7", True, ""]), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"matches": st.sampled_from(["^x", "y$", ".*", "", "^$", r"^\d+$"])}),
    st.fixed_dictionaries({"contains": st.sampled_from(["x", "y", "xy"])}),
    st.fixed_dictionaries({"at_least": st.sampled_from([5, 7])}),
    st.fixed_dictionaries({"below": st.sampled_from([5, 6, 8])}),
    st.fixed_dictionaries({"at_least": st.sampled_from([5, 7]), "below": st.sampled_from([5, 6, 8])}),
)
_PLAIN = st.one_of(
    _TESTS,
    st.builds(
        lambda field, test: {"field": field, **test},
        st.sampled_from(["f", "g", "message", "f.c"]),
        st.one_of(_TESTS, st.fixed_dictionaries({"exists": st.booleans()})),
    ),
    st.fixed_dictionaries({"level": st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"level_at_least": st.sampled_from(LEVELS)}),
)
CONDITIONS = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
    ),
    max_leaves=4,
)


def config_of(values):
    return convert({"sinks": {sink: {} for sink in SINKS}, **values}, AggregatorConfig, Place(FILE))


def plans(config):
    return plans_of(config, FILE, SINKS)


def found(text):
    """What is found, without the file's name."""
    config = config_of(parse_yaml(text, FILE, {}))
    plans(config)  # good it is
    return [one.removeprefix(f"{FILE}: ") for one in findings(config, FILE)]


def of_rules(*texts, parse="json"):
    """What is found in a route of these rules, without the place of the list."""
    listed = "".join(f"\n      - {text}" for text in texts)
    heard = found(f"routes:\n  - to: [a]\n    parse: {parse}\n    rules:{listed}\n")
    return [one.removeprefix("routes[0].rules") for one in heard]
