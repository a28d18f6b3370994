import pytest

from aggregator.config import AggregatorConfig
from collector.config import CollectorConfig
from towline.cli.check import AGGREGATOR_KEYS, COLLECTOR_KEYS, kind_of
from towline.cli.main import main
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

COLLECTOR = "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/*.log}]\n"
AGGREGATOR = "sinks: {out: {type: file, path: '/data/{pod}.jsonl'}}\n"


@pytest.fixture(autouse=True)
def _an_empty_environment(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "DD_API_KEY"):
        monkeypatch.delenv(name, raising=False)


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
    ("sink", "problem"),
    [
        ("{type: cloudwatch}", "region: is missing. Write the region's name, or set AWS_REGION"),
        ("{type: cloudwatch, region: '${NO_REGION:-}'}", "region: is missing. "),
        ("{type: cloudwatch, region: Ireland}", "region: is not the name of a region. Write it as in eu-west-1"),
        (
            "{type: cloudwatch, region: eu-west-1, log_group: '/eks/{nmspace}'}",
            "log_group: there is no field {nmspace}.",
        ),
        ("{type: cloudwatch, region: eu-west-1, log_group: '/eks/{pod'}", "log_group: '/eks/{pod' has a brace without"),
        ("{type: cloudwatch, region: eu-west-1, log_stream: 'a:b'}", "log_stream: holds characters that CloudWatch"),
        ("{type: cloudwatch, region: eu-west-1, retention_days: 2}", "retention_days: 2 is not allowed. Use one of: "),
        ("{type: datadog, site: 'https://datadoghq.com'}", "site: is not a host name. "),
        ("{type: file, path: '/data/{pods}.jsonl'}", "path: there is no field {pods}."),
        ("{type: file, share: 3.0}", "share: 3.0 is more than the whole, or a size without its unit. Write a fraction"),
    ],
)
def test_what_no_start_could_work_with_is_an_error(tmp_path, capsys, sink, problem):
    file = written(tmp_path / "a.yaml", f"sinks: {{it: {sink}}}\n")
    code, out, err = check(capsys, file)
    assert (code, out) == (2, [])
    assert next(line for line in err if not line.startswith("warning: ")).startswith(f"{file}: sinks.it.{problem}")


ABSENT = {
    "aggregator": [
        ("sinks: {it: {type: datadog, api_key_file: /no/key}}", "sinks.it.api_key_file: there is no file /no/key. "),
        (
            "sinks: {it: {type: datadog}}",
            "sinks.it.api_key_file: there is no API key. Name a file that holds it, or set ",
        ),
        (
            AGGREGATOR + "auth: {mode: static_token, token_files: [/no/token]}",
            "auth.token_files[0]: there is no file /no/token. ",
        ),
    ],
    "collector": [
        (
            "aggregator: {url: 'http://a:1', token_file: /no/token}\nlogs: [{path: /l/*.log}]\n",
            "aggregator.token_file: there is no file /no/token. ",
        )
    ],
}


@pytest.mark.parametrize(("kind", "text", "said"), [(kind, *case) for kind in ABSENT for case in ABSENT[kind]])
def test_a_secret_that_is_not_on_this_machine_is_a_warning_and_with_strict_an_error(tmp_path, capsys, kind, text, said):
    file = written(tmp_path / "f.yaml", text)
    code, out, [warning] = check(capsys, file)
    assert (code, out) == (0, [f"{file}: ok ({kind})"])
    assert warning.startswith(f"warning: {file}: {said}")
    assert check(capsys, "--strict", file) == (2, [], [warning.removeprefix("warning: ")])


@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_what_is_hardly_meant_is_a_warning_as_at_the_start(tmp_path, capsys, options):
    counting = "{type: log_metrics, rules: [{name: lines_total, type: counter}]}"
    file = written(tmp_path / "a.yaml", f"sinks: {{counts: {counting}}}\n")
    code, out, [warning] = check(capsys, *options, file)
    assert (code, out) == (0, [f"{file}: ok (aggregator)"])
    assert warning.startswith(
        f"warning: {file}: sinks.counts: counts lines, and no sink shows or takes what it counted. "
    )


def test_a_secret_that_is_here_and_cannot_be_one_is_an_error(tmp_path, capsys):
    key = written(tmp_path / "key", "")
    file = written(tmp_path / "a.yaml", f"sinks: {{it: {{type: datadog, api_key_file: {key}}}}}")
    code, _, err = check(capsys, file)
    assert (code, err) == (2, [f"{file}: sinks.it.api_key_file: {key} is empty. Write the secret into it"])


def test_errors_and_warnings_of_one_file_are_told_together(tmp_path, capsys):
    file = written(tmp_path / "a.yaml", "sinks: {dd: {type: datadog}, cw: {type: cloudwatch}}")
    code, out, err = check(capsys, file)
    assert (code, out) == (2, [])
    assert [line.split(": ")[:-1] for line in err] == [
        [str(file), "sinks.cw.region"],
        ["warning", str(file), "sinks.dd.api_key_file"],
    ]


def test_the_environment_of_the_shell_counts(tmp_path, capsys, monkeypatch):
    file = written(tmp_path / "a.yaml", "sinks: {dd: {type: datadog}, cw: {type: cloudwatch}}")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("DD_API_KEY", "k" * 32)
    assert check(capsys, "--strict", file) == (0, [f"{file}: ok (aggregator)"], [])


def test_check_finds_what_the_aggregators_start_finds(tmp_path, capsys):
    text = "auth: {mode: static_token, token_files: [/no/t]}\nsinks: {dd: {type: datadog}, cw: {type: cloudwatch}}\n"
    file = written(tmp_path / "a.yaml", f"journal: {{path: {tmp_path}/j/journal.db}}\n{text}")
    _, _, checked = check(capsys, "--strict", file)
    assert main(["aggregator", "--config", str(file)]) == 2
    assert capsys.readouterr().err.splitlines() == checked
    assert len(checked) == 3
    assert list(tmp_path.iterdir()) == [file]


def test_help_says_what_becomes_of_secrets(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "A secret that is not on this machine" in told
    assert "is a warning" in told


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
