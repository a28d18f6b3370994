import pytest

from aggregator.config import AggregatorConfig
from collector.config import CollectorConfig
from towline.cli.check import AGGREGATOR_KEYS, COLLECTOR_KEYS, kind_of
from towline.cli.main import main
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

COLLECTOR = "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/*.log}]\n"
AGGREGATOR = "sinks: {out: {type: file, path: '/data/{pod}.jsonl'}}\n"


def check(capsys, *files):
    code = main(["check", *map(str, files)])
    told = capsys.readouterr()
    return code, told.out.splitlines(), told.err.splitlines()


def written(path, text):
    path.write_text(text)
    return path


def test_a_good_file_is_said_to_be_good_and_whose_it_is(tmp_path, capsys):
    files = [written(tmp_path / "c.yaml", COLLECTOR), written(tmp_path / "a.yaml", AGGREGATOR)]
    assert check(capsys, *files) == (0, [f"{files[0]}: ok (collector)", f"{files[1]}: ok (aggregator)"], [])


def test_every_problem_of_every_file_is_told_one_a_line(tmp_path, capsys):
    bad = written(tmp_path / "bad.yaml", "aggregator: {url: 5}\nlogs: [{path: x}]\nflush: 1\n")
    good = written(tmp_path / "good.yaml", COLLECTOR)
    code, out, err = check(capsys, bad, good, tmp_path / "none.yaml")
    assert (code, out) == (2, [f"{good}: ok (collector)"])
    assert [line.removeprefix(f"{tmp_path}/").split(": ")[:2] for line in err] == [
        ["bad.yaml", "flush"],
        ["bad.yaml", "aggregator.url"],
        ["bad.yaml", "logs[0].path"],
        ["none.yaml", "there is no such file. Check the path, and that its ConfigMap is mounted"],
    ]


def test_an_unknown_sink_is_answered_with_the_known_ones(tmp_path, capsys):
    code, _, [problem] = check(capsys, written(tmp_path / "a.yaml", "sinks: {dd: {type: datdog}}"))
    assert code == 2
    assert "sinks.dd: unknown type 'datdog'. Did you mean datadog? Use one of: " in problem


def test_variables_come_from_the_environment(tmp_path, capsys, monkeypatch):
    file = written(tmp_path / "c.yaml", "aggregator: {url: '${URL_OF_TEST}'}\nlogs: [{path: /l/*.log}]\n")
    assert check(capsys, file)[0] == 2
    monkeypatch.setenv("URL_OF_TEST", "http://a:1")
    assert check(capsys, file)[0] == 0


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"http": {}, "drain": {}}, "has the keys of neither a collector nor an aggregator"),
        ({"logs": [], "sinks": {}}, "mixes a collector's and an aggregator's keys"),
    ],
)
def test_a_file_that_could_be_either_or_neither_is_refused(values, problem):
    with pytest.raises(ConfigError, match=problem):
        kind_of(values, Place("f.yaml"))


def test_a_file_is_told_by_the_keys_that_only_one_of_the_two_has():
    of_collector, of_aggregator = set(CollectorConfig.__struct_fields__), set(AggregatorConfig.__struct_fields__)
    assert of_collector - of_aggregator == COLLECTOR_KEYS
    assert of_aggregator - of_collector == AGGREGATOR_KEYS
