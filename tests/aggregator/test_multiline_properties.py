"""Events do not depend on how the file was cut into blocks, nor on lines that were shipped in parts; and nothing is lost by joining."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.multiline_config import RuleConfig, build_joining
from tests.aggregator.joining_lines import blocks_of, events_of, own

LINES = st.sampled_from(
    [
        b"2026 a",
        b"2026-01-01 ERROR bad",
        b"  at a.b(C.java:1)",
        b"\tat a.b(C.java:2)",
        b"java.lang.RuntimeException: x",
        b"Caused by: java.io.IOException",
        b"Traceback (most recent call last):",
        b'  File "x", line 1',
        b"ValueError: \xc3\xa4",
        b"",
        b"{",
        b'  "a": "}", "b": {',
        b"  }",
        b"}",
        b'{"one": "{"}',
        b"plain \xff\xfe",
        b"x" * 90,
        b"cr\r",
        b"goroutine 1 [running]:",
        b"main.main()",
        b"panic: boom",
    ]
)
FILES = st.builds(
    lambda lines, ended: b"\n".join(lines) + (b"\n" if ended else b""), st.lists(LINES, max_size=30), st.booleans()
)
CUTS = st.lists(st.integers(0, 700), max_size=12)
JOININGS = {
    "start": own(start=r"^\d{4}"),
    "start anywhere": own(start=r"ERROR|plain\s"),
    "continuation": own(continuation=r"^\s+at|^Caused"),
    "indented": own(indented=True),
    "few lines": own(start=r"^\d{4}", max_lines=3),
    "few bytes": own(indented=True, max_bytes=100),
    "json": build_joining(["json"], {}),
    "small json": own(json=True, max_lines=2, max_bytes=20),
    "java": build_joining(["java"], {}),
    "ready ones": build_joining(["java", "python", "go", "ruby", "node", "json"], {}),
    "small table": own(
        rules=(
            RuleConfig(sources="start", regex="ERROR|Traceback", to="more"),
            RuleConfig(sources="more", regex=r"^\s", to="more"),
            RuleConfig(sources=("more",), regex="^Caused", to="last"),
        ),
        max_lines=3,
        max_bytes=100,
    ),
}


@pytest.mark.parametrize("name", JOININGS)
@settings(max_examples=50, deadline=None)
@given(raw=FILES, cuts=CUTS)
def test_events_do_not_depend_on_how_the_file_was_cut(name, raw, cuts):
    joining = JOININGS[name]
    assert events_of(joining, blocks_of(raw, cuts)) == events_of(joining, blocks_of(raw, []))


@pytest.mark.parametrize("name", JOININGS)
@settings(max_examples=60, deadline=None)
@given(raw=FILES, cuts=CUTS)
def test_events_one_after_the_other_are_the_file(name, raw, cuts):
    texts = [text for text, _, _ in events_of(JOININGS[name], blocks_of(raw, cuts))]
    assert b"".join(text + b"\n" for text in texts) == (raw if raw.endswith(b"\n") or not raw else raw + b"\n")


@settings(max_examples=66, deadline=None)
@given(raw=FILES, cuts=CUTS)
def test_an_event_begins_with_each_line_in_which_the_start_is_found(raw, cuts):
    expected = []
    for line in raw.removesuffix(b"\n").split(b"\n") if raw else []:
        if expected and not re.search(rb"ERROR|plain\s", line):
            expected[-1] += b"\n" + line
        else:
            expected.append(line)
    assert [text for text, _, _ in events_of(JOININGS["start anywhere"], blocks_of(raw, cuts))] == expected


@settings(max_examples=66, deadline=None)
@given(raw=FILES, cuts=CUTS)
def test_lines_in_which_the_continuation_is_found_go_on(raw, cuts):
    expected = []
    for line in raw.removesuffix(b"\n").split(b"\n") if raw else []:
        if expected and re.search(rb"^\s+at|^Caused", line):
            expected[-1] += b"\n" + line
        else:
            expected.append(line)
    assert [text for text, _, _ in events_of(JOININGS["continuation"], blocks_of(raw, cuts))] == expected
