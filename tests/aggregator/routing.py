"""Routes as a user writes them, and what they make of lines: no journal, no sinks."""

from aggregator.cases import Given, run_case
from aggregator.config import AggregatorConfig
from aggregator.route_config import plans_of
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.plumbing.yaml_file import parse_yaml

SINKS = ("dd", "cw", "out")
FILE = "aggregator.yaml"


def plans_from(text, sinks=SINKS, replica="agg-0"):
    """The plans of a configuration's `routes:` and what belongs to them."""
    values = {"sinks": {sink: {} for sink in sinks}, **parse_yaml(text, FILE, {})}
    config = convert(values, AggregatorConfig, Place(FILE))
    return plans_of(config, FILE, sinks, replica)


def rules(*texts, parse="[]"):
    """A configuration of one route with these rules, in YAML's flow form."""
    listed = "".join(f"\n      - {text}" for text in texts)
    return f"routes:\n  - to: [dd]\n    parse: {parse}\n    rules:{listed}\n"


def outcome(text, lines, **given):
    """What becomes of lines."""
    return run_case(plans_from(text), convert({"lines": lines, **given}, Given, Place("given")))


def own(record):
    """A record without level and time."""
    return {key: value for key, value in record.items() if key not in ("towline_level", "towline_at")}


def reached(text, lines, sink="dd", **given):
    """Records that reach a sink."""
    return [own(record) for record in outcome(text, lines, **given).records.get(sink, ())]


def messages(text, lines, sink="dd", **given):
    return [record.get("message") for record in reached(text, lines, sink, **given)]
