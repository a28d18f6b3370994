"""What the guide shows is what the aggregator takes."""

import re
from pathlib import Path

import pytest
import yaml

from aggregator.config import load
from aggregator.multiline_config import MultilineConfig, build_joining, ready_multiline
from aggregator.registry import SINKS

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "multiline.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_loaded_and_what_it_names_joins(example, tmp_path):
    file = tmp_path / "aggregator.yaml"
    file.write_text(example)
    config = load(file, SINKS, {})
    for name in config.multiline:
        assert build_joining([name], config.multiline).timeout_seconds > 0


def test_the_guide_names_every_ready_one_and_every_option():
    text = GUIDE.read_text()
    named = [*ready_multiline(), *MultilineConfig.__struct_fields__]
    assert [name for name in named if f"`{name}`" not in text] == []


def test_what_the_guide_shows_as_yaml_is_yaml():
    assert all(isinstance(yaml.safe_load(example), dict) for example in EXAMPLES)
