import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.plumbing.errors import ConfigError
from towline.plumbing.yaml_file import MAX_FILE_BYTES, parse_yaml, read_yaml


@contextlib.contextmanager
def as_nobody():
    """Without root's right to read everything, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def parsed(text, **env):
    return parse_yaml(text, "f.yaml", env)


def problems(text, **env):
    with pytest.raises(ConfigError) as caught:
        parsed(text, **env)
    return str(caught.value).splitlines()


def test_plain_values_come_as_they_are_written():
    assert parsed("a: text\nb: 3\nc: 1.5\nd: true\ne: null\nf: [1, x]\ng: {h: -2}\nj: 0x10") == {
        "a": "text",
        "b": 3,
        "c": 1.5,
        "d": True,
        "e": None,
        "f": [1, "x"],
        "g": {"h": -2},
        "j": 16,
    }


@pytest.mark.parametrize(
    "text", ["0123", "22:22", "1_000", "2026-11-22", "1:30:00", ".inf", ".nan", "1e999", "9" * 5000, "="]
)
def test_what_only_yaml_1_1_calls_a_number_or_a_date_stays_text(text):
    assert parsed(f"a: {text}") == {"a": text}


def test_keys_are_text_whatever_they_look_like():
    assert parsed("on: 1\n5: 2\n~: 3") == {"on": 1, "5": 2, "~": 3}


def test_a_variable_is_expanded_anywhere_in_a_string():
    assert parsed("a: http://${HOST}:${PORT}/x", HOST="h", PORT="80") == {"a": "http://h:80/x"}


def test_a_default_stands_in_for_an_unset_or_empty_variable():
    assert parsed("a: ${A:-x}${B:-y}${C:-}", B="") == {"a": "xy"}
    assert parsed("a: ${A:-x}", A="set") == {"a": "set"}


def test_an_empty_variable_without_default_is_empty():
    assert parsed("a: x${A}", A="") == {"a": "x"}


def test_two_dollars_escape():
    assert parsed("a: $${A} $x $$ {A}") == {"a": "${A} $x $$ {A}"}


def test_what_a_variable_holds_is_never_expanded_or_parsed_again():
    assert parsed("a: ${A}", A="${B}\nc: !!python/name:os.system") == {"a": "${B}\nc: !!python/name:os.system"}


def test_an_unset_variable_is_named_with_file_and_key_and_fix():
    assert problems("a: [{b: x}, {b: 'u${NOPE}'}]") == [
        "f.yaml: a[1].b: environment variable NOPE is not set (line 1). Set it, or give a default: ${NOPE:-...}"
    ]


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A", "${A-x}", "${a b}"])
def test_a_variable_that_is_not_understood_is_refused(text):
    assert problems(f"a: '{text}'", A="x") == [
        "f.yaml: a: holds a `${` that is not ${NAME} or ${NAME:-default} (line 1). Write $${ for a literal ${"
    ]


def test_a_key_that_stands_twice_is_refused():
    assert problems("a:\n  b: 1\n  c: 2\n  b: 3") == ["f.yaml: a.b: stands there twice (line 4). Remove one of the two"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!mine", "!!binary", "!!set", "!!omap"])
def test_custom_tags_are_refused(tag):
    [problem] = problems(f"a: {tag} x" if tag != "!!set" else "a: !!set {x}")
    assert problem.startswith("f.yaml: a: has the tag ")
    assert problem.endswith("which is not known here (line 1). Remove it")


def test_all_problems_are_told_at_once():
    assert len(problems("a: ${X}\nb: !t 1\nc: ${Y}\nc: 1")) == 4


def test_aliases_and_merges_mean_what_they_always_mean():
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na: {<<: *b, x: 9}\nb: {<<: [*b, *m]}\nc: *b"
    assert parsed(text) == {
        "base": {"x": 1, "y": 2},
        "more": {"y": 3, "z": 4},
        "a": {"x": 9, "y": 2},
        "b": {"x": 1, "y": 2, "z": 4},
        "c": {"x": 1, "y": 2},
    }


def test_merging_what_is_no_mapping_is_refused():
    assert problems("a: {<<: [1]}") == [
        "f.yaml: a.<<: merges what is not keys and values (line 1). Give it an alias of a mapping"
    ]


@pytest.mark.parametrize("link", ["[{}]", "{{<<: [{}]}}"])
def test_a_billion_laughs_are_refused(link):
    levels = ["l0: &l0 {a: 1, b: 2}"]
    levels += [f"l{n}: &l{n} " + link.format(", ".join([f"*l{n - 1}"] * 10)) for n in range(1, 12)]
    assert problems("\n".join(levels)) == ["f.yaml: holds more than 50000 values, aliases counted. Use fewer aliases"]


def test_an_alias_of_itself_is_refused():
    assert problems("a: &a [*a]") == ["f.yaml: is nested deeper than 32 levels. Flatten it"]


@pytest.mark.parametrize("text", ["a: " + "[" * 50 + "]" * 50, "a: " + "[" * 20000])
def test_deep_nesting_is_refused(text):
    assert problems(text) == ["f.yaml: is nested deeper than 32 levels. Flatten it"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- a\n", "does not hold keys and values"),
        ("just words", "does not hold keys and values"),
        ("a: [1", "line 1, column 6: is not YAML"),
        ("a: b\n\tc: d", "line 2, column 1: is not YAML"),
        ("a: 1\n---\nb: 2", "line 2, column 1: is not YAML"),
        ("a: *nope", "line 1, column 4: is not YAML"),
        ("a: \x00", "is not YAML"),
        ("{[a]: 1}", "a key is a list or a mapping"),
    ],
)
def test_what_is_no_configuration_is_said_in_one_line(text, problem):
    [line] = problems(text)
    assert problem in line
    assert line.startswith("f.yaml: ")


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!${}<#'\"\n ,|>?%\t0.~"), max_size=60))
def test_any_text_gives_values_or_a_config_error(text):
    with contextlib.suppress(ConfigError):
        assert isinstance(parsed(text, a="x"), dict)


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "f.yaml", {}) == {"a": 1}


def test_files_that_cannot_be_read_are_said(tmp_path):
    path = tmp_path / "f.yaml"

    def problem():
        with pytest.raises(ConfigError) as caught:
            read_yaml(path, {})
        return str(caught.value).removeprefix(f"{path}: ")

    assert problem() == "there is no such file. Check the path, and that its ConfigMap is mounted"
    path.mkdir()
    assert problem() == "is a folder. Name the file in it"
    path.rmdir()
    path.write_bytes(os.urandom(64) + b"\xff")
    assert "is not UTF-8 text" in problem()
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert problem() == "is larger than 1048576 bytes. Is it a configuration file?"


def test_a_file_that_may_not_be_read_is_said(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with as_nobody(), pytest.raises(ConfigError, match="may not be read by this user"):
        read_yaml(path, {})


def test_a_path_that_no_file_can_have_is_said():
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(Path("a\0b"), {})
