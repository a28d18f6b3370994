"""`towline explain`: whose lines, from where, and how it looks. What is told is tests/aggregator/test_explaining.py's."""

import io
import json
import os
import sys
from types import SimpleNamespace

import pytest

from towline.cli.main import main

CONFIG = """
sinks: {dd: {type: datadog}, out: {type: file, path: '/data/{pod}'}}
routes:
  - name: web
    match: {namespace: shop, pod: 'web-*', workload: web, container: c, source: nginx, service: s, path: /a.log, labels: {app: '*'}}
    parse: json
    rules: [{name: secrets, mask: [email]}, {drop: {level: debug}, when: {field: x, exists: true}}]
    to: [dd]
  - {to: [out]}
"""
WEB = [
    "--namespace",
    "shop",
    "--pod",
    "web-1",
    "--workload",
    "web",
    "--container",
    "c",
    "--source",
    "nginx",
    "--service",
    "s",
    "--path",
    "/a.log",
    "--label",
    "app=a=b",
]


@pytest.fixture
def explain(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("DD_API_KEY", raising=False)
    file = tmp_path / "aggregator.yaml"
    file.write_text(CONFIG)

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin), isatty=lambda: False))
        code = main(["explain", str(file), *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err.replace(f"{tmp_path}/", "")

    return run


def test_options_say_whose_lines_they_are(explain):
    code, out, _ = explain(*WEB, "--line", "{}")
    assert code == 0
    assert "route web (routes[0]) matches, leads to dd" in out
    assert "labels app=a=b" in " ".join(out.split())
    assert "route web (routes[0]) does not match: namespace 'default' is not 'shop'" in explain("--line", "x")[1]


def test_lines_come_from_options_a_file_or_standard_input(explain, tmp_path):
    def texts(*arguments, stdin=b""):
        told = json.loads(explain("--json", "--sink", "out", *arguments, stdin=stdin)[1])
        return [event["text"] for event in told["destinations"][0]["events"]]

    (tmp_path / "x.log").write_bytes(b"one\ntwo\n\xff\n")
    assert texts("--line", "a", "--line", "b") == ["a", "b"]
    assert texts("--file", tmp_path / "x.log") == ["one", "two", "\ufffd"]
    assert texts(stdin=b"from\nstdin") == ["from", "stdin"]


def test_of_a_long_file_the_first_megabyte_is_told_and_that_it_is_no_more(explain, tmp_path):
    (tmp_path / "x.log").write_bytes(b"x" * 1000 + b"\n" + b"y" * (1 << 20) + b"\n")
    code, out, err = explain("--file", tmp_path / "x.log", "--json")
    assert (code, err) == (0, "x.log: only the first 1001 bytes are explained\n")
    assert len(json.loads(out)["destinations"][0]["events"]) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--file", "/no/x.log"], "/no/x.log: cannot be read (No such file or directory). Check the path"),
        ([], "standard input: holds no line. Write some, or use --line"),
        (["--line", "x", "--label", "app"], "--label: 'app' is no label. Write NAME=VALUE"),
        (["--line", "x", "--sink", "ot"], "--sink: no sink that takes lines is named 'ot'. Did you mean out? Use one of: dd, out"),
        (["--line", "x", "--read", "soon"], "read: 'soon' is no time. Write one such as 2026-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_said(explain, arguments, problem):
    code, out, err = explain(*arguments)
    assert (code, out) == (2, "")
    assert problem in err


def test_every_line_fits_the_terminal_and_what_comes_from_a_log_moves_no_cursor(explain):
    line = json.dumps({"message": "\x1b[2J" + "a@b.org " * 50, "n" * 30: {"deep": ["word " * 40]}, "\r": 1})
    _, out, _ = explain(*WEB, "--line", line, "--line", "\x1b]0;title\x07\u202e")
    assert max(map(len, out.splitlines())) <= 80
    assert all(char.isprintable() for char in out.replace("\n", ""))


def test_what_is_no_text_is_replaced_as_it_would_be_at_a_destination(explain, tmp_path):
    not_utf8 = os.fsdecode(b"a\xff")
    code, out, _ = explain("--line", not_utf8, "--pod", not_utf8, "--label", f"x={not_utf8}")
    assert code == 0
    assert "  | a\ufffd" in out
    (tmp_path / "aggregator.yaml").write_text(
        CONFIG + r'tests: [{name: x, given: {lines: ["\udc00"]}, expect: {out: ["?"]}}]'
    )
    assert main(["test", str(tmp_path / "aggregator.yaml")]) == 0


def test_an_empty_line_is_a_line(explain):
    assert "line 1\n  |\n" in explain("--line", "")[1]


def test_a_text_that_is_endless_is_cut_and_says_how_much_is_left(explain):
    _, out, _ = explain("--line", "x" * 100_000)
    assert "more characters" in out
    assert len(out) < 5000
    assert (
        len(json.loads(explain("--line", "x" * 100_000, "--json")[1])["destinations"][0]["events"][0]["text"])
        == 100_000
    )


def test_rules_tell_what_they_changed_and_when_they_were_not_asked(explain):
    _, out, _ = explain(*WEB, "--read", "2026-01-01T00:00:00Z", "--line", '{"message": "to a@b.org", "level": "debug"}')
    assert out[out.index("    mask") : out.index("  =>")] == (
        "    mask      secrets, [email]: changed\n"
        '      - message: "to a@b.org"\n'
        '      + message: "to [EMAIL]"\n'
        "    drop      web.1, {level: debug}: unchanged, as `when` is not met\n"
    )


def test_destinations_on_the_way_to_which_the_same_is_done_are_told_together(explain, tmp_path):
    routes = "routes:\n  - {parse: json, to: [dd, out, cw]}\n  - {rules: [{mask: email}], to: [extra]}\n"
    more = "cw: {type: cloudwatch}, extra: {type: file, path: '/x'}, prom"
    sinks = CONFIG.partition("routes:")[0].replace("}}", "}, " + more + ": {type: prometheus}}")
    (tmp_path / "aggregator.yaml").write_text(sinks + routes)
    out = explain("--line", '{"a": 1}')[1]
    assert [line for line in out.splitlines() if line.startswith("==")] == [
        "== to dd (datadog) and out (file) and cw (cloudwatch)",
        "== to extra (file)",
    ]
    assert [line for line in out.splitlines() if line.startswith("  =>")] == [
        "  => sent to dd: an entry of the logs intake",
        "  => sent to out: /data/pod",
        "  => sent to cw: log group /eks/default/pod, log stream pod/replica",
        "  => sent to extra: /x",
    ]


def test_where_no_route_leads_anywhere_that_is_said(explain, tmp_path):
    (tmp_path / "aggregator.yaml").write_text(CONFIG.replace("  - {to: [out]}\n", ""))
    assert explain("--line", "x")[1].endswith("\nNo route leads these lines anywhere.\n")


def test_a_fluent_bit_configuration_is_explained_as_converted(tmp_path, capsys):
    file = tmp_path / "fluent-bit.conf"
    file.write_text(
        "[INPUT]\n Name tail\n Path /l/*.log\n[FILTER]\n Name modify\n Match *\n Add a b\n[OUTPUT]\n Name file\n Match *\n"
    )
    assert main(["explain", str(file), "--path", "/l/x.log", "--line", "hi"]) == 0
    assert '+ a: "b"' in capsys.readouterr().out
