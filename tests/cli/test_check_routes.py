"""`towline check` of what routes say: doubts are warnings, what cannot work is an error."""

import pytest

from tests.e2e.procs import ROOT
from towline.cli.main import main

FLUENT_BIT = ROOT / "tests" / "fixtures" / "fluent_bit"
SINKS = "sinks: {out: {type: file, path: '/data/{pod}.jsonl'}}\n"


def check(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_what_is_found_in_routes_is_a_warning(tmp_path, capsys, options):
    file = tmp_path / "a.yaml"
    file.write_text(f"{SINKS}routes: [{{to: [out], rules: [{{keep: {{level: error}}}}]}}]\n")
    code, out, (warning,) = check(capsys, *options, file)
    assert (code, out) == (0, [f"{file}: ok (aggregator)"])
    assert warning.startswith(f"warning: {file}: routes[0].rules[0].keep: is never met (no parser here finds a level")


def test_a_case_that_does_not_hold_is_a_warning_as_no_change_would_be_taken_over_with_it(tmp_path, capsys):
    file = tmp_path / "a.yaml"
    tests = "tests: [{name: x, given: {lines: [a]}, expect: {out: [b]}}]\n"
    file.write_text(f"{SINKS}{tests}")
    code, out, (warning,) = check(capsys, file)
    assert (code, out) == (0, [f"{file}: ok (aggregator)"])
    assert warning == f"warning: {file}: tests[0]: x: out[0].message is to be 'b', and is 'a'"


@pytest.mark.parametrize("pattern", [r"(?P<a>.)(?P=a)", "(a+)+(?!b)$", "(a*)*(?<!b)c"])
def test_a_pattern_that_could_not_be_searched_in_linear_time_is_an_error(tmp_path, capsys, pattern):
    file = tmp_path / "a.yaml"
    file.write_text(f"{SINKS}routes: [{{to: [out], rules: [{{drop: {{matches: '{pattern}'}}}}]}}]\n")
    code, out, (problem,) = check(capsys, file)
    assert (code, out) == (2, [])
    assert problem.startswith(f"{file}: routes[0].rules[0].drop.matches: ")


@pytest.mark.parametrize(
    "name", ["classic/fluent-bit.conf", "sidecar.yaml", "yaml/fluent-bit.yaml", "aws-logging.yaml"]
)
def test_of_a_fluent_bit_configuration_both_halves_are_checked(capsys, monkeypatch, name):
    monkeypatch.setenv("DD_API_KEY", "k" * 32)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    code, out, warnings = check(capsys, "--strict", FLUENT_BIT / name)
    assert (code, out) == (0, [f"{FLUENT_BIT / name}: ok (Fluent Bit)"]), warnings
    assert not any("/proc/" in warning for warning in warnings)


def test_what_is_wrong_with_a_fluent_bit_configuration_is_said_by_its_name(tmp_path, capsys):
    file = tmp_path / "fluent-bit.conf"
    file.write_text("[INPUT]\n Name tail\n Path /a.log\n[OUTPUT]\n Name es\n Match *\n")
    code, out, problems = check(capsys, file)
    assert (code, out) == (2, [])
    assert all(problem.startswith(f"{file}: ") for problem in problems)
    assert any("[OUTPUT] es: Towline does not send there" in problem for problem in problems)
