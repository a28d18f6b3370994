"""How bad a line is: every logger's word for it, and what destinations call that."""

import pytest

from aggregator.core.levels import (
    DATADOG_STATUS,
    LEVELS,
    LevelTable,
    at_least,
    level_of,
    level_of_priority,
    levels_from,
)

SPELLINGS = {
    "trace": ["TRACE", "trace", "T", "FINEST", "Verbose", "V", 10, "10"],
    "debug": ["DEBUG", "D", "dbg", "CONFIG", "DEBUG1", 7, 20, "DEBUG-2"],
    "info": ["INFO", "I", "Information", "LOG", "inf", 6, 30, "30", "INFO+2", "[info]"],
    "notice": ["NOTICE", "N", 5],
    "warning": ["WARN", "Warning", "W", "wrn", 4, 40, "<WARN>"],
    "error": ["ERROR", "err", "E", "eror", 3, 50],
    "critical": ["CRITICAL", "FATAL", "crit", "SEVERE", "F", "dpanic", 2, 60, 60.0],
    "alert": ["alert", 1, "1"],
    "emergency": ["emerg", "PANIC", "emergency", 0],
}


@pytest.mark.parametrize(("level", "said"), [(level, said) for level, words in SPELLINGS.items() for said in words])
def test_a_level_is_known_by_any_of_its_spellings(level, said):
    assert level_of(said) == level


@pytest.mark.parametrize(
    "said", ["", "x", None, [], {}, 8, 35, -1, 1e300, float("nan"), "info: started", "i" * 10_000, "٣"]
)
def test_what_is_no_level_is_none(said):
    assert level_of(said) == ""


def test_a_table_says_what_the_function_says_also_of_what_cannot_be_looked_up():
    values = ["WARN", 30, True, [], {"a": 1}, None, "WARN", 1]
    assert LevelTable().of(values) == [level_of(value) for value in values]


def test_a_table_does_not_grow_with_what_lines_hold():
    table = LevelTable()
    assert set(table.of([f"no level {index}" for index in range(5000)])) == {""}
    assert len(table) == 0


@pytest.mark.parametrize(
    ("priority", "level"),
    [(34, "critical"), ("165", "notice"), (0, "emergency"), (191, "debug"), (192, ""), ("x", ""), (None, "")],
)
def test_a_priority_of_syslog_says_its_severity(priority, level):
    assert level_of_priority(priority) == level


def test_levels_are_compared_by_how_bad_they_are_and_an_unknown_one_is_info():
    assert [level for level in LEVELS if at_least(level, "warning")] == [
        "warning",
        "error",
        "critical",
        "alert",
        "emergency",
    ]
    assert at_least("", "info")
    assert not at_least("", "notice")
    assert levels_from("alert") == {"alert", "emergency"}


def test_every_level_has_a_word_of_datadogs():
    assert set(DATADOG_STATUS) == set(LEVELS)
