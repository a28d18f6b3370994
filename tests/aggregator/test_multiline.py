"""What the ready ways to join lines make of what languages print, and what limits do."""

import pytest

from aggregator.core.events import Texts
from aggregator.core.multiline_lines import LinePattern, within_a_line
from aggregator.core.records import Slice
from aggregator.core.text import escape_each, join_lines
from aggregator.multiline_config import MultilineConfig, RuleConfig, build_joining, ready_multiline
from tests.aggregator.joining_lines import blocks_of, events_of, own, slice_of

JAVA = """2026-11-23 12:00:00 ERROR o.s.Orders - cannot place order
java.lang.IllegalStateException: no stock
\tat com.example.Orders.place(Orders.java:41)
\tat com.example.Main.main(Main.java:7)
\tSuppressed: java.io.IOException: closed
\t\tat com.example.Stream.close(Stream.java:9)
Caused by: java.sql.SQLException: deadlock
\tat com.example.Database.run(Database.java:99)
\t... 12 more"""
JAVA_THREAD = """Exception in thread "main" java.lang.RuntimeException: boom
\tat com.example.Main.main(Main.java:7)"""
PYTHON = """ERROR:root:cannot place order
Traceback (most recent call last):
  File "/app/orders.py", line 4, in place
    take(stock)
  File "/app/stock.py", line 9, in take
    raise KeyError(name)
KeyError: 'shoe'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/orders.py", line 6, in place
    raise OrderError from None
orders.OrderError"""
PYTHON_GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/app/a.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +------------------------------------"""
GO = """panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.place(...)
\t/app/orders.go:12 +0x1d
main.main()
\t/app/main.go:7 +0x39
exit status 2"""
RUBY = """orders.rb:4:in `place': no stock (RuntimeError)
\tfrom orders.rb:9:in `block in run'
\tfrom orders.rb:12:in `<main>'"""
NODE = """/app/orders.js:4
    throw new Error("no stock");
    ^

Error: no stock
    at place (/app/orders.js:4:11)
    at Object.<anonymous> (/app/main.js:2:1) {
  code: 'E_STOCK'
}"""
JSON = """{
  "message": "a } in a text, and \\" a quote",
  "items": [
    {"id": 1},
    {"id": 2}
  ]
}"""
TRACES = {
    "java": [JAVA, JAVA_THREAD],
    "python": [PYTHON, PYTHON_GROUP],
    "go": [GO],
    "ruby": [RUBY],
    "node": [NODE],
    "json": [JSON, '{"one": {"line": 1}}'],
}


def texts_of(joining, text):
    return [event.decode() for event, _, _ in events_of(joining, [slice_of(text.encode())])]


@pytest.mark.parametrize(("name", "trace"), [(name, trace) for name, traces in TRACES.items() for trace in traces])
def test_a_trace_is_one_event_and_the_lines_around_it_are_their_own(name, trace):
    joining = build_joining([name], {})
    assert texts_of(joining, f"before\nbefore too\n{trace}\nafter\nafter too\n") == [
        "before",
        "before too",
        trace,
        "after",
        "after too",
    ]


def test_all_ready_ones_together_join_what_each_of_them_does():
    joining = build_joining(list(TRACES), {})
    traces = [trace for several in TRACES.values() for trace in several]
    lines = [part for trace in traces for part in ("a line", trace)]
    assert texts_of(joining, "\n".join([*lines, "a line\n"])) == [*lines, "a line"]


def test_lines_that_begin_no_trace_are_not_held_back():
    joined = build_joining(["java"], {}).join(None, slice_of(b"one\ntwo\n"))
    assert (joined.complete[0].lines, joined.open) == ([b"one", b"two"], None)


def test_where_nothing_is_joined_the_lines_are_handed_on_as_they_are():
    piece = slice_of(b"one\ntwo\n")
    assert build_joining(["java"], {}).join(None, piece).complete[0] is piece


def test_an_event_over_its_lines_is_cut_with_a_mark_and_counted():
    joining = own(start="^=", max_lines=2)
    joined = joining.join(None, slice_of(b"= a\n b\n c\n d\n e\n= f\n"))
    (piece,) = joined.complete
    assert list(piece.lines) == [b"= a\n b", b" c\n d", b" e"]
    assert piece.details.notes == [{"towline_cut": "lines"}, {"towline_cut": "lines"}, None]
    assert dict(piece.tally) == {("cut", "app", "lines"): 2}


def test_an_event_over_its_bytes_is_cut_between_lines():
    events = events_of(own(start="^=", max_bytes=10), [slice_of(b"= 234\n 234\n 234\n")])
    assert [(text, note) for text, _, note in events] == [
        (b"= 234", {"towline_cut": "bytes"}),
        (b" 234\n 234", None),
    ]


def test_a_single_line_is_not_cut_however_few_bytes_an_event_may_have():
    assert texts_of(own(start="^=", max_bytes=10), "= " + "x" * 100 + "\n= b\n") == ["= " + "x" * 100, "= b"]


def test_a_line_longer_than_a_block_is_cut_and_never_in_a_character():
    raw = b"= " + "ä".encode() * (1 << 20) + b"\n"
    events = events_of(own(indented=True), blocks_of(raw, [1 << 20, (1 << 20) + 7]))
    assert b"".join(text for text, _, _ in events) + b"\n" == raw
    assert [text.decode() is not None for text, _, _ in events] == [True] * 3


def test_the_rest_of_a_trace_that_was_cut_is_kept_together():
    frames = "".join(f"\tat a.b(C.java:{number})\n" for number in range(7))
    joining = build_joining(["app"], {"app": MultilineConfig(rules=ready_multiline()["java"].rules, max_lines=5)})
    assert [len(text.splitlines()) for text in texts_of(joining, f"java.lang.Error: x\n{frames}after\n")] == [5, 3, 1]


def test_events_of_utf_16_know_where_they_end():
    piece = slice_of(b"= a\n b\n= c\n", ends=[8, 14, 22])
    joined = own(start="^=").join(None, Slice(**{**vars(piece), "end": 22}))
    assert (joined.complete[0].ends, joined.open.start, joined.open.end) == ([14], 14, 22)


def test_the_events_of_a_gap_are_not_joined_over_it():
    joining = own(indented=True)
    held = joining.join(None, slice_of(b"a\n")).open
    joined = joining.join(held, slice_of(b" b\n", start=10, number=2))
    assert [list(piece.lines) for piece in joined.complete] == [[b"a"]]
    assert list(joined.open.lines) == [b" b"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "says 0 ways"),
        ({"start": "^a", "indented": True}, "says 2 ways"),
        ({"indented": True, "max_lines": 1}, "max_lines: 1 is not between"),
        ({"indented": True, "max_bytes": 1 << 21}, "max_bytes: .* more than 1MiB"),
        ({"rules": (RuleConfig(sources="a", regex="b", to="c"),)}, "none is from start"),
    ],
)
def test_what_cannot_be_meant_is_refused(said, problem):
    with pytest.raises(ValueError, match=problem):
        MultilineConfig(**said)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["jave"], "no way .* 'jave'. Use one of: app, java"),
        (["app", "java"], "'app' .* Use it alone"),
        ([], "Name one"),
    ],
)
def test_names_that_cannot_be_used_are_refused(names, problem):
    with pytest.raises(ValueError, match=problem):
        build_joining(names, {"app": MultilineConfig(start="^a")})


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"unterminated|missing|paren"):
        build_joining(["app"], {"app": MultilineConfig(start="(")})


@pytest.mark.parametrize(
    ("pattern", "line", "is_found"),
    [
        (r"a\s+b", b"a\nb", False),
        (r"a\s+b", b"a \tb", True),
        (r"a[^x]b", b"a\nb", False),
        (r"a[\W]b", b"a\nb", False),
        (r"a[\W]b", b"a-b", True),
        (r"a[]x]b", b"a]b", True),
        (r"a[[]b", b"a[b", True),
        (r"(?<name>a)(b)", b"ab", True),
        (r"\(a\)$", b"(a)", True),
        (r"\Aa\Z", b"a", True),
    ],
)
def test_no_pattern_looks_beyond_its_line(pattern, line, is_found):
    assert (LinePattern(pattern).one(line, 0, len(line)) is not None) is is_found


def test_groups_are_not_remembered():
    assert within_a_line(r"(?P<a>x)(y)(?:z)") == "(?:x)(?:y)(?:z)"


def test_events_of_several_lines_are_escaped_all_at_once():
    texts = Texts([b"= a\n b\r", b"", b"= c\r\n d"])
    assert join_lines(texts) == b"= a\n b\x7f\x7f= c\r\n d"
    assert join_lines(texts, b"-") == b"= a\n b\x7f-\x7f= c\r\n d"
    assert escape_each(texts) == [rb"= a\n b", b"", rb"= c\r\n d"]
