"""A regular expression that the aggregator would refuse is said of the key where it stands, by every command."""

import pytest

from aggregator.__main__ import read_config
from aggregator.core.regexes import compile_regex
from tests.fluent_bit.harness import pipeline
from towline.cli.main import main
from towline.fluent_bit.convert import convert
from towline.fluent_bit.means import Means
from towline.plumbing.errors import ConfigError

HUGE = "(?<a>(x{1,1000}){1,1000})"
PARSERS = f"[PARSER]\n Name mine\n Format regex\n Regex {HUGE}\n"
MULTILINE = (
    f'[MULTILINE_PARSER]\n Name mine\n Type regex\n Rule "start_state" "{HUGE}" "cont"\n Rule "cont" "b" "cont"\n'
)
SERVICE = "[SERVICE]\n Parsers_File parsers.conf\n"


@pytest.mark.parametrize(
    ("pieces", "place"),
    [
        ((SERVICE, "Parser mine", PARSERS), "parsers.conf: [PARSER] mine: `regex`: "),
        ((SERVICE, "multiline.parser mine", MULTILINE), "parsers.conf: [MULTILINE_PARSER] mine: `rule`: "),
        ((f"[FILTER]\n Name grep\n Match *\n Regex log {HUGE}\n", "", ""), "fluent-bit.conf: [FILTER] grep: `regex`: "),
        (
            (f"[FILTER]\n Name modify\n Match *\n Condition Key_value_matches log {HUGE}\n Set a b\n", "", ""),
            "fluent-bit.conf: [FILTER] modify: `condition`: ",
        ),
    ],
)
def test_the_key_that_holds_it_is_named_with_the_reason(tmp_path, pieces, place, monkeypatch, capsys):
    rest, own, parsers = pieces
    path = pipeline(tmp_path, rest, own, parsers_conf=parsers)
    [problem] = convert(path, {}, Means(compile_regex)).report.refused()
    assert problem.startswith(f"{tmp_path}/{place}")
    assert "counts of this size" in problem
    monkeypatch.setenv("DD_API_KEY", "key")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value) == problem
    assert main(["convert", str(path)]) == 2
    assert problem in capsys.readouterr().err
    assert main(["check", str(path)]) == 2
    assert problem in "".join(capsys.readouterr())


def test_a_pattern_of_the_environment_is_left_to_the_start(tmp_path):
    path = pipeline(
        tmp_path, f"@SET x={HUGE}\n[FILTER]\n Name grep\n Match *\n Regex log ${{OTHER}}\n Regex log ${{x}}\n"
    )
    [problem] = convert(path, {}, Means(compile_regex)).report.refused()
    assert "counts of this size" in problem
