"""Every example of the guides to rules and routing does what it says."""

import re
from pathlib import Path

import msgspec
import pytest

from aggregator.cases import problems_of
from aggregator.condition_config import ConditionConfig
from aggregator.config import AggregatorConfig, load
from aggregator.registry import SINKS
from aggregator.route_config import MatchConfig, RouteConfig, plans_of
from aggregator.rule_config import (
    RULES,
    LiftConfig,
    MaskConfig,
    NestConfig,
    ParseConfig,
    RateLimitConfig,
    SampleConfig,
    TruncateConfig,
)
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.plumbing.yaml_file import parse_yaml

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
EXAMPLES = [
    pytest.param(name, text, id=f"{name}-{number}")
    for name in ("rules.md", "routing.md")
    for number, text in enumerate(re.findall(r"(?ms)^```yaml\n(.*?)^```", (GUIDES / name).read_text()))
]
STRUCTS = (
    *(ConditionConfig, LiftConfig, MaskConfig, NestConfig, ParseConfig, RateLimitConfig, SampleConfig),
    *(TruncateConfig, MatchConfig, RouteConfig),
)


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_an_example_does_what_it_says(name, text):
    values = parse_yaml(text, name, {})
    sinks = list(dict.fromkeys(sink for route in values["routes"] for sink in route["to"]))
    config = convert({"sinks": {sink: {} for sink in sinks}, **values}, AggregatorConfig, Place(name))
    assert config.tests
    assert problems_of(config.tests, plans_of(config, name, sinks), Place(name, "tests")) == []


@pytest.mark.parametrize("kind", RULES)
def test_every_rule_has_an_example(kind):
    assert any(re.search(rf"(?m)\b{kind}:", text.values[1]) for text in EXAMPLES)


@pytest.mark.parametrize(
    "option",
    sorted({field.encode_name for struct in STRUCTS for field in msgspec.structs.fields(struct)}),
)
def test_every_option_is_told(option):
    guides = (GUIDES / "rules.md").read_text() + (GUIDES / "routing.md").read_text()
    assert f"`{option}`" in guides


@pytest.mark.parametrize("path", sorted((GUIDES.parents[1] / "config" / "examples").glob("aggregator-*.yaml")))
def test_an_example_of_the_configuration_loads_and_does_what_it_says(path):
    config = load(path, SINKS, {})
    assert config.tests
    assert problems_of(config.tests, plans_of(config, path.name, config.sinks), Place(path.name, "tests")) == []
