"""Tags to paths: the files that a pattern for tags means."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.fluent_bit.tags import Tagged, UnclearError, meet, meet_paths

CONTAINERS = Tagged("/var/log/containers/*.log", "kube.", "", has_path=True)


@pytest.mark.parametrize(
    ("pattern", "globs"),
    [
        ("*", ["/var/log/containers/*.log"]),
        ("kube.*", ["/var/log/containers/*.log"]),
        ("*.log", ["/var/log/containers/*.log"]),
        ("app.*", []),
        ("kube", []),
        ("kube.var.log.containers.nginx-*", ["/var/log/containers/nginx-*.log"]),
        ("kube.*nginx*", ["/var/log/containers/*nginx*.log"]),
        ("kube.var.log.containers.a_default_b.log", ["/var/log/containers/a_default_b.log"]),
    ],
)
def test_a_pattern_for_tags_that_hold_paths_is_one_for_paths(pattern, globs):
    assert meet(CONTAINERS, pattern) == globs


@pytest.mark.parametrize(("pattern", "is_met"), [("app", True), ("a*", True), ("*", True), ("b*", False), ("", False)])
def test_a_tag_without_a_path_is_met_or_not(pattern, is_met):
    tagged = Tagged("/var/log/x.log", "app")
    assert meet(tagged, pattern) == (["/var/log/x.log"] if is_met else [])


def test_a_tag_of_unknown_words_is_met_where_they_do_not_matter():
    tagged = Tagged("/var/log/x.log", "kube.*.*")
    assert meet(tagged, "kube.*") == ["/var/log/x.log"]
    assert meet(tagged, "app.*") == []
    with pytest.raises(UnclearError, match="some of the files"):
        meet(tagged, "kube.shop.*")


def test_a_set_in_a_path_is_one_of_its_letters():
    tagged = Tagged("/logs/[ab]*.log", "t.", "", has_path=True)
    assert meet(tagged, "t.logs.b*") == ["/logs/b*.log"]
    assert meet(tagged, "t.logs.c*") == []


def test_an_excluded_pattern_crosses_folders():
    assert meet_paths("/var/log/app/*", "*.gz") == ["/var/log/app/*.gz"]
    assert meet_paths("/var/log/app/*.log", "*.gz") == []
    assert meet_paths("/var/log/app/*.gz", "*.gz") == ["/var/log/app/*.gz"]


def _expression(glob, star):
    return re.compile("".join(star if letter == "*" else re.escape(letter) for letter in glob), re.DOTALL)


@given(st.text("ab*/.", max_size=5), st.text("ab*.", max_size=5))
def test_what_is_found_is_just_what_both_patterns_mean(glob, pattern):
    glob = "/" + glob
    tagged = Tagged(glob, "t.", "", has_path=True)
    try:
        found = meet(tagged, pattern)
    except UnclearError:
        return
    path_of, tag_of = _expression(re.sub(r"\*+", "*", glob), "[^/]*"), _expression(pattern, ".*")
    several = [_expression(one, "[^/]*") for one in found]
    for length in range(4):
        for letters in itertools.product("ab/.", repeat=length):
            path = "/" + "".join(letters)
            tag = "t." + path[1:].replace("/", ".")
            wanted = bool(path_of.fullmatch(path) and tag_of.fullmatch(tag))
            got = any(one.fullmatch(path) for one in several)
            assert wanted == (got and bool(path_of.fullmatch(path))), (path, found)
