"""docs/guides/parsers.md: every example is what comes of it, every option is named."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from aggregator.core.levels import DATADOG_STATUS
from aggregator.core.parsers_json import MAX_DEPTH
from aggregator.core.time_formats import DIRECTIVES
from aggregator.core.times import NAMED
from aggregator.parser_config import ParserConfig, TimeConfig, ready_parsers
from tests.aggregator.parsing import made, parsed, ready

GUIDE = (Path(__file__).parents[2] / "docs/guides/parsers.md").read_text()
SECTIONS = dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^##|\Z)", GUIDE))


def blocks(section, kind):
    return re.findall(rf"(?s)```{kind}\n(.*?)```", section)


def written(time):
    whole = f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%dT%H:%M:%S}"
    fraction = f"{time % 10**9:09}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


@pytest.mark.parametrize("name", SECTIONS)
def test_an_example_is_what_comes_of_it(name):
    section = SECTIONS[name]
    own = blocks(section, "yaml")
    parser = made(yaml.safe_load(own[0])["parsers"]["app"]) if own else ready(name)
    (text,), (wanted,) = blocks(section, "text"), blocks(section, "json")
    details, tally = parsed([line.encode() for line in text.splitlines()], parser)
    found = [
        {"time": written(time), "level": level, "fields": fields}
        for time, level, fields in zip(details.times_unix_ns, details.levels, details.fields, strict=True)
    ]
    assert found == [json.loads(line) for line in wanted.splitlines()]
    assert tally == {}


def test_every_ready_parser_has_an_example():
    assert set(SECTIONS) - {"Example"} == set(ready_parsers())


def test_every_option_is_named_and_no_other():
    tables = re.findall(r"(?ms)^\| option \|.*?\n\n", GUIDE)
    named = [re.findall(r"(?m)^\| `(\w+)` \|", table) for table in tables]
    assert named == [list(ParserConfig.__struct_fields__), list(TimeConfig.__struct_fields__)]


def test_every_format_and_directive_is_named():
    assert [name for name in NAMED if f"`{name}`" not in GUIDE] == []
    assert [directive for directive in DIRECTIVES.split() if f"`{directive}`" not in GUIDE] == []


def test_every_level_is_named_with_datadogs_word():
    rows = re.findall(r"(?m)^\| ([a-z, ]+) \| `(\w+)` \|$", GUIDE)
    assert {level: status for levels, status in rows for level in levels.split(", ")} == DATADOG_STATUS


def test_the_deepest_nesting_is_said():
    assert f"deeper than {MAX_DEPTH} levels" in GUIDE
