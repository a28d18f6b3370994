"""`towline test`: which cases are run, what is said of them, and the exit code."""

import pytest

from towline.cli.main import main

BASE = """
sinks: {dd: {type: datadog}, out: {type: file, path: '/data/{pod}'}, prom: {type: prometheus}}
routes:
  - {name: web, match: {container: web}, parse: json, rules: [{drop: {level: debug}}], to: [dd, out]}
  - {match: {container: calm}, rules: [{name: calm, rate_limit: {lines_per_second: 1}}], to: [out]}
"""
GOOD = '{name: good, given: {lines: [\'{"message": "hi"}\'], origin: {container: web}}, expect: {dd: [hi]}}'


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("DD_API_KEY", raising=False)


@pytest.fixture
def test(tmp_path, capsys):
    def run(cases, *arguments, base=BASE):
        file = tmp_path / "aggregator.yaml"
        file.write_text(f"{base}tests:\n" + "".join(f"  - {case}\n" for case in cases) if cases else base)
        code = main(["test", str(file), *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.replace(f"{tmp_path}/", "").splitlines()

    return run


def case(name, lines, expect, more=""):
    return f"{{name: {name}, given: {{lines: {lines}, origin: {{container: web}}}}, expect: {expect}{more}}}"


def test_cases_that_hold_are_ok(test):
    assert test([GOOD]) == (0, ["ok      good", "1 passed, 0 failed"], [])


def test_of_an_event_only_what_differs_is_shown_in_the_order_of_the_names(test):
    bad = case("bad", '[\'{"z": 1, "a": "x", "same": 1}\']', "{dd: [{z: 2, b: 1, a: null, same: 1}]}")
    code, out, _ = test([GOOD, bad])
    assert code == 1
    assert out[0] == "ok      good"
    assert out[1] == "FAILED  bad"
    assert out[2].endswith("aggregator.yaml: tests[1]")
    assert out[3:] == [
        "  dd: event 1 is not as expected",
        "    - a: null",
        '    + a: "x"',
        "    - b: 1",
        "    - z: 2",
        "    + z: 1",
        "1 passed, 1 failed",
    ]


def test_events_that_are_missing_or_too_many_are_told_from_those_that_are_as_expected(test):
    lines = '[\'{"message": "a"}\', \'{"message": "b"}\', \'{"message": "x", "level": "debug"}\']'
    _, out, _ = test([case("less", lines, "{dd: [a, x, b]}"), case("more", lines, "{out: [b]}")])
    assert out[2:5] == [
        "  dd: expected event 2 did not come",
        '    - message: "x"',
        "  dd: dropped on the way: rule web.0 1",
    ]
    assert out[7:11] == [
        "  out: event 1 was not expected",
        '    + message: "a"',
        '    + towline_at: "2026-01-01T00:00:00.000000000Z"',
        '    + towline_level: "info"',
    ]


def test_a_sink_that_no_route_leads_to_is_told_so(test):
    bad = "{name: bad, given: {lines: [a]}, expect: {dd: [a]}}"
    _, out, _ = test([bad])
    assert out[2] == "  dd: expected event 1 did not come (no route leads these lines there)"


def test_what_rules_drop_is_counted(test):
    bad = "{name: bad, given: {lines: [a, b, c], origin: {container: calm}}, dropped: {calm: 1}}"
    code, out, _ = test([bad])
    assert (code, out[2]) == (1, "  rule calm is to drop 1, and dropped 2")


def test_a_case_begins_anew(test):
    calm = "{name: calm, given: {lines: [a, b], origin: {container: calm}}, expect: {out: [a]}, dropped: {calm: 1}}"
    assert test([calm, calm])[0] == 0


def test_long_texts_are_shown_where_they_differ_in_the_width_of_the_terminal(test):
    text = "word " * 60
    bad = case("bad", f'[\'{{"message": "{text}here {text}"}}\']', f"{{dd: ['{text}there {text}']}}")
    _, out, _ = test([bad])
    assert max(map(len, out[3:])) <= 80
    assert [line[:9] for line in out[3:5]] == ["    - ...", "    + ..."]
    assert "word there" in out[3]
    assert "word here" in out[4]


def test_control_characters_move_no_cursor(test):
    bad = case("bad", r'["\e[2Jhi"]', r'{dd: ["\e[31mhi"]}')
    _, out, _ = test([bad])
    assert not any("\x1b" in line for line in out)
    assert r'    + message: "\u001b[2Jhi"' in out


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (
            "{name: bad, given: {lines: [a]}, expect: {ddd: []}}",
            "aggregator.yaml: tests[0].expect: no sink of lines is named 'ddd'. Did you mean dd? Use one of: dd, out",
        ),
        ("{name: bad, given: {lines: [a]}, expect: {prom: []}}", "tests[0].expect: no sink of lines is named 'prom'."),
        (
            "{name: bad, given: {lines: [a]}, dropped: {web.1: 1}}",
            "aggregator.yaml: tests[0].dropped: no rule is named 'web.1'. Did you mean web.0? Use one of: web.0, calm",
        ),
        ("{name: bad, given: {line: [a]}, expect: {dd: []}}", "aggregator.yaml: tests[0].given.line: unknown key. Did you mean lines?"),
        ("{name: bad, given: {lines: [a]}}", "aggregator.yaml: tests[0].expect: is missing."),
        ("{name: bad, given: {lines: [a], read: soon}, expect: {dd: []}}", "aggregator.yaml: tests[0].given.read: 'soon' is no time."),
    ],
)  # fmt: skip
def test_a_case_that_cannot_be_used_is_a_configuration_error(test, bad, problem):
    code, _, (said, *_) = test([bad])
    assert code == 2
    assert problem in said


def test_a_configuration_that_cannot_be_used_is_one_too(test):
    code, out, (said,) = test([GOOD], base=BASE.replace("parse: json", "parse: jsn"))
    assert (code, out) == (2, [])
    assert said.startswith("aggregator.yaml: routes[0].parse: no parser is named 'jsn'. Did you mean json?")


def test_where_there_are_no_cases_that_is_an_error(test):
    assert test([])[2] == [
        "aggregator.yaml: tests: there are no cases. Write some here, or in aggregator.test.yaml beside it, or name a file of them"
    ]


def test_cases_in_a_file_of_their_own_are_found_beside_the_configuration_or_by_name(test, tmp_path):
    other = GOOD.replace("name: good", "name: other").replace("[hi]", "[ho]")
    (tmp_path / "aggregator.test.yaml").write_text(f"tests: [{other}]\n")
    (tmp_path / "more.yaml").write_text(f"tests: [{GOOD.replace('name: good', 'name: more')}]\n")
    code, out, _ = test([GOOD], "--cases", tmp_path / "more.yaml")
    assert code == 1
    assert [line for line in out if line[0] != " "] == [
        "ok      good",
        "FAILED  other",
        "ok      more",
        "2 passed, 1 failed",
    ]
    assert f"  {tmp_path}/aggregator.test.yaml: tests[0]" in out


def test_a_file_of_cases_is_told_from_a_configuration(tmp_path, capsys):
    assert main(["test", str(tmp_path / "aggregator.test.yaml")]) == 2
    assert "holds cases alone. Name the configuration beside it that they are of" in capsys.readouterr().err


def test_one_case_can_be_run_alone(test):
    second = GOOD.replace("name: good", "name: second")
    assert test([GOOD, second], "--only", "second")[:2] == (0, ["ok      second", "1 passed, 0 failed"])
    code, _, (said,) = test([GOOD, second], "--only", "secnd")
    assert code == 2
    assert said == "aggregator.yaml: tests: no case is named 'secnd'. Did you mean second? Use one of: good, second"


def test_the_worst_of_several_files_is_the_exit_code(test, tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text(f"{BASE}tests: [{GOOD}]\n")
    assert test([GOOD], good)[:2] == (0, ["ok      good", "ok      good", "2 passed, 0 failed"])
    assert test([GOOD.replace("[hi]", "[ho]")], good)[0] == 1
    assert test([GOOD.replace("[hi]", "[ho]")], good, tmp_path / "none.yaml")[0] == 2


def test_a_collectors_configuration_is_told_from_an_aggregators(tmp_path, capsys):
    file = tmp_path / "collector.yaml"
    file.write_text("aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/*.log}]\n")
    assert main(["test", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"{file}: is a collector's configuration, and lines are processed in the aggregator. Name its file\n"
    )


def test_a_fluent_bit_configuration_has_its_cases_beside_it(tmp_path, capsys):
    file = tmp_path / "fluent-bit.conf"
    file.write_text(
        "[INPUT]\n Name tail\n Path /var/log/app.log\n Parser json\n Tag app\n"
        "[FILTER]\n Name grep\n Match *\n Exclude level debug\n"
        "[OUTPUT]\n Name stdout\n Match *\n"
    )
    (tmp_path / "fluent-bit.test.yaml").write_text(
        'tests: [{name: no debug, given: {lines: [\'{"level": "debug"}\', \'{"level": "info", "a": 1}\']},'
        " expect: {file: [{a: 1}]}}]\n"
    )
    assert main(["test", str(file)]) == 0, capsys.readouterr()
    assert capsys.readouterr().out == "ok      no debug\n1 passed, 0 failed\n"
