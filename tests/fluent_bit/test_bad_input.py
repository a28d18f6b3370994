"""Files that nobody means well with: each ends soon, with its stated outcome."""

import re

import pytest
import yaml

from tests.fluent_bit.harness import converted, pipeline, written
from towline.fluent_bit.convert import read_setup
from towline.plumbing.errors import ConfigError
from towline.plumbing.recognise import is_fluent_bit, is_fluent_bit_text

CONFIG = "[INPUT]\n Name tail\n Path /a.log\n[OUTPUT]\n Name stdout\n Match *\n"


def test_a_manifest_of_aliases_within_aliases_is_read_without_growing(tmp_path):
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    manifest = "kind: ConfigMap\n" + "\n".join(bomb) + "\ndata:\n  fluent-bit.conf: |\n"
    path = written(tmp_path, manifest + "".join(f"    {line}\n" for line in CONFIG.splitlines()), "x.yaml")
    assert converted(path).collector["logs"] == [{"path": "/a.log"}]


def test_tags_of_a_manifest_construct_nothing(tmp_path):
    data = yaml.safe_dump({"kind": "ConfigMap", "data": {"fluent-bit.conf": CONFIG}})
    path = written(tmp_path, data + "x: !!python/object/apply:os.system ['false']\n", "x.yaml")
    assert converted(path).collector["logs"] == [{"path": "/a.log"}]


def test_a_manifest_nested_too_deep_is_refused(tmp_path):
    path = written(tmp_path, f"kind: ConfigMap\nx: {'[' * 20_000}\n", "x.yaml")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_setup(path)


@pytest.mark.parametrize("text", ["\n" * 1_000_000, " " * 1_000_000, "[" * 1_000_000, "kind: ConfigMap\n" * 60_000])
def test_to_look_at_a_large_file_of_nothing_takes_no_time(text):
    assert not is_fluent_bit_text(text)


def test_a_file_of_a_hundred_megabytes_is_not_read_whole(tmp_path):
    path = tmp_path / "fluent-bit.conf"
    with path.open("wb") as file:
        file.write(b"[SERVICE]\n")
        file.truncate(100 << 20)
    assert is_fluent_bit(path)
    with pytest.raises(ConfigError, match="is larger than"):
        read_setup(path)


def test_patterns_of_many_wildcards_are_refused_and_not_worked_out(tmp_path):
    stars = "*a" * 60
    text = f"[FILTER]\n Name grep\n Match {stars}\n Regex log a\n"
    [problem] = converted(pipeline(tmp_path, text, f"Exclude_Path {stars}")).report.refused()[:1]
    assert "more than 5 *" in problem


@pytest.mark.parametrize(
    "rest", ["grep\n Regex", "grep\n Exclude log", "record_modifier\n Record", "modify\n Rename a"]
)
def test_a_key_that_says_too_little_is_refused(tmp_path, rest):
    [problem] = converted(pipeline(tmp_path, f"[FILTER]\n Match *\n Name {rest} \n")).report.refused()
    assert re.search("names (no|too few) field", problem)


def test_no_configuration_at_all_is_no_reason_to_send_everything_everywhere(tmp_path):
    refused = converted(written(tmp_path, "[SERVICE]\n Flush 1\n")).report.refused()
    assert any("no output is left" in problem for problem in refused)
