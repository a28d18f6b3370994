"""What a configuration is made of: whoever watches it sees a change of any part."""

import pytest

from collector.__main__ import read_config
from tests.fluent_bit.harness import pipeline, written
from towline.plumbing.errors import ConfigError

INCLUDE = "@INCLUDE filters.conf\n"
FILTER = "[FILTER]\n Name grep\n Match *\n Regex log a\n"


def files_of(path):
    files = []
    read_config(path, files)
    return {str(file.relative_to(path.parent)) for file in files}


def test_every_file_that_is_read_is_told(tmp_path):
    service = "[SERVICE]\n Parsers_File parsers.conf\n"
    path = pipeline(tmp_path, service + INCLUDE, parsers_conf="", filters_conf=FILTER)
    assert files_of(path) == {"fluent-bit.conf", "parsers.conf", "filters.conf"}


def test_a_folder_in_which_more_may_turn_up_is_told(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text(FILTER)
    path = pipeline(tmp_path, "@INCLUDE more/*.conf\n")
    assert files_of(path) == {"fluent-bit.conf", "more", "more/a.conf"}


def test_a_file_that_is_not_there_yet_is_told(tmp_path):
    path = pipeline(tmp_path, "[SERVICE]\n Parsers_File parsers.conf\n")
    assert files_of(path) == {"fluent-bit.conf", "parsers.conf"}


def test_a_folder_is_told_with_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    for name, text in (("filters.conf", FILTER), ("output.conf", "[OUTPUT]\n Name stdout\n Match *\n")):
        (tmp_path / "a" / name).write_text(text)
    assert files_of(tmp_path / "a") == {"a", "a/filters.conf", "a/output.conf"}


def test_what_was_read_is_told_also_where_it_is_wrong(tmp_path):
    path, files = pipeline(tmp_path, INCLUDE, filters_conf="[FILTER]\n Name lua\n Match *\n"), []
    with pytest.raises(ConfigError, match="no such filter"):
        read_config(path, files)
    assert files == [path, tmp_path / "filters.conf"]


def test_our_own_file_is_one(tmp_path):
    path = written(tmp_path, "aggregator: {url: 'http://a:1'}\n", "collector.yaml")
    assert files_of(path) == {"collector.yaml"}
