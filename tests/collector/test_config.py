import re
from pathlib import Path

import msgspec
import pytest

from collector.config import AggregatorConfig, CollectorConfig, LogConfig, load
from towline.plumbing.config_file import load_config
from towline.plumbing.errors import ConfigError

BASE = Path(__file__).parents[2] / "config" / "base" / "collector.yaml"
SMALLEST = "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/*.log}]\n"


def loaded(tmp_path, text):
    (tmp_path / "collector.yaml").write_text(text)
    return load(tmp_path / "collector.yaml", {})


def problems(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


def test_the_smallest_configuration_names_the_aggregator_and_a_path(tmp_path):
    config = loaded(tmp_path, SMALLEST)
    assert config == CollectorConfig(aggregator=AggregatorConfig(url="http://a:1"), logs=(LogConfig(path="/l/*.log"),))


def test_the_defaults_are_those_of_the_design(tmp_path):
    config = loaded(tmp_path, SMALLEST)
    assert (config.failover_seconds, config.aggregator.timeout_seconds) == (120, 10)
    assert (config.flush_seconds, config.window_bytes, config.partial_line_seconds) == (0.3, 4 << 20, 3)
    assert (config.drain.grace_seconds, config.drain.delivered_seconds) == (25, 5)
    assert (config.metrics.interval_seconds, config.http.listen) == (15, "0.0.0.0:2020")
    assert (config.acknowledge, config.exit_code_on_loss, config.limit_bytes) == ("delivered", False, 0)
    assert (config.state_dir, config.podinfo_dir, config.log_level) == ("/var/lib/towline", "/etc/podinfo", "info")


def test_metrics_alone_are_worth_a_collector(tmp_path):
    assert loaded(tmp_path, "aggregator: {url: 'http://a:1'}").logs == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "aggregator: {url: a:1}",
            "collector.yaml: aggregator.url: is not an http or https URL. Write http://host:port",
        ),
        (
            "aggregator: {url: 'http://169.254.169.254'}",
            "collector.yaml: aggregator.url: is a link-local address, which Towline never contacts. Name the service",
        ),
        (
            SMALLEST + "state_dir: here",
            "collector.yaml: state_dir: 'here' is not absolute. Write a path that starts with /",
        ),
        (
            SMALLEST + "drain: {grace_seconds: 3}",
            "collector.yaml: drain.delivered_seconds: is longer than grace_seconds, which includes it. Lower it",
        ),
        (
            "aggregator: {url: 'http://a:1'}\nmetrics: {interval_seconds: 0}",
            "collector.yaml: logs: names no files, and metrics are off: nothing is left to observe. Add a path",
        ),
        (
            "aggregator: {url: 'http://a:1'}\nlogs: [{path: /a}, {path: /b}, {path: /a}]",
            "collector.yaml: logs: the path '/a' stands there twice. Remove one of the two",
        ),
        (
            SMALLEST + "acknowledge: sent",
            "collector.yaml: acknowledge: this version knows no 'sent'. Use one of: delivered, stored",
        ),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, text, problem):
    assert problems(tmp_path, text) == [problem]


@pytest.mark.parametrize("path", ["app.log", "/var/log/", "/var/../etc/*.log", "", "~/x.log"])
def test_a_path_that_names_no_files_is_refused(tmp_path, path):
    [problem] = problems(tmp_path, f"aggregator: {{url: 'http://a:1'}}\nlogs: [{{path: '{path}'}}]")
    assert problem == (
        f"collector.yaml: logs[0].path: {path!r} does not name files. Write an absolute path such as /var/log/app/*.log"
    )


def test_two_stars_stand_for_whole_folders_only(tmp_path):
    assert (
        loaded(tmp_path, "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/**/*.log}]").logs[0].path == "/l/**/*.log"
    )
    [problem] = problems(tmp_path, "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/x**.log}]")
    assert "logs[0].path: '/l/x**.log' mixes `**` with other letters" in problem


def test_reclaim_is_said_not_to_be_in_this_version(tmp_path):
    text = "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/*.log, reclaim: punch}]"
    assert problems(tmp_path, text) == [
        'collector.yaml: logs[0].reclaim: is not in this version. Remove it, or write ""'
    ]


def test_what_is_excluded_is_patterns_as_paths_are_or_of_names(tmp_path):
    text = "aggregator: {url: 'http://a:1'}\nlogs: [{path: /l/*, exclude: [%s]}]"
    assert loaded(tmp_path, text % "'*.gz', /l/**/debug.log").logs[0].exclude == ("*.gz", "/l/**/debug.log")
    for wrong in ("a/b.log", "''", "/l/", "/l/../x", "x**y"):
        [problem] = problems(tmp_path, text % wrong)
        assert problem.startswith("collector.yaml: logs[0].exclude: ")


def test_a_token_file_that_is_not_there_is_refused_before_anything_starts(tmp_path):
    text = f"aggregator: {{url: 'http://a:1', token_file: {tmp_path}/token}}"
    assert problems(tmp_path, text) == [
        f"collector.yaml: aggregator.token_file: there is no file {tmp_path}/token. Mount it, or correct the path"
    ]
    (tmp_path / "token").write_text("x")
    assert loaded(tmp_path, text).aggregator.token_file == f"{tmp_path}/token"


def test_the_base_configuration_loads():
    assert load(BASE, {}).aggregator.url == "http://towline-aggregator:8080"


def test_the_base_configuration_names_every_option_with_its_default(tmp_path):
    whole = tmp_path / "collector.yaml"
    whole.write_text(re.sub(r"(?m)^(\s*)#(?! )", r"\1", BASE.read_text()))
    config = load_config(whole, CollectorConfig, {})
    # Options without a default that means something are shown by an example.
    shown = {"url", "path", "token_file", "container", "source", "service", "tags"}
    written = msgspec.yaml.decode(whole.read_bytes())
    pairs = [
        (written, config),
        (written["aggregator"], config.aggregator),
        (written["logs"][0], config.logs[0]),
        *((written[name], getattr(config, name)) for name in ("metrics", "http", "drain", "identity")),
    ]
    for values, struct in pairs:
        assert set(values) == set(struct.__struct_fields__)
        for field in msgspec.structs.fields(struct):
            is_section = isinstance(getattr(struct, field.name), msgspec.Struct) or field.name == "logs"
            assert is_section or field.name in shown or getattr(struct, field.name) == field.default, field.name
