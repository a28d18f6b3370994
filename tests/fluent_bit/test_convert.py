"""The one path: what is converted, what is said of it, and that a start reads just what `towline convert` writes."""

import pytest
import yaml

from aggregator.__main__ import read_config as read_aggregator
from aggregator.__main__ import start as start_aggregator
from aggregator.config import load as load_aggregator
from aggregator.registry import SINKS
from collector.__main__ import read_config as read_collector
from collector.__main__ import start as start_collector
from collector.config import load as load_collector
from tests.e2e.procs import ROOT
from tests.fluent_bit.harness import converted, pipeline, shared, written
from towline.fluent_bit.writing import as_yaml
from towline.plumbing.errors import ConfigError
from towline.plumbing.yaml_file import parse_yaml

FIXTURES = ROOT / "tests" / "fixtures" / "fluent_bit"
OWN = ["sidecar.yaml", "aws-logging.yaml", "classic/fluent-bit.conf", "yaml/fluent-bit.yaml"]
PUBLISHED = shared() / "fixtures" / "seed" / "fluent-bit-sidecar.yaml"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("DD_API_KEY", "key")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


def configurations():
    return [*(FIXTURES / name for name in OWN), *([PUBLISHED] if PUBLISHED.exists() else [])]


@pytest.mark.parametrize("path", configurations(), ids=lambda path: path.name)
def test_to_convert_and_run_is_to_run(tmp_path, path, monkeypatch):
    made = converted(path)
    ours = {"collector.yaml": made.collector, "aggregator.yaml": made.aggregator}
    for name, values in ours.items():
        (tmp_path / name).write_text(as_yaml(values, name, str(path)))
    assert load_collector(tmp_path / "collector.yaml") == read_collector(path)[0]
    written_out, at_once = load_aggregator(tmp_path / "aggregator.yaml", SINKS), read_aggregator(path)[0]
    for sink in made.secrets:  # a literal key is never written: there is a file to put it into
        assert written_out.sinks[sink].pop("api_key_file") == "/etc/towline/secrets/datadog-api-key"
        del at_once.sinks[sink]["api_key_file"]
    assert written_out == at_once


@pytest.mark.parametrize("path", configurations(), ids=lambda path: path.name)
def test_the_written_files_hold_what_was_converted(path):
    made = converted(path)
    for values in (made.collector, made.aggregator):
        assert yaml.safe_load(as_yaml(values, "x", str(path))) == values


def test_the_sidecars_two_files_are_what_anybody_would_write():
    made = converted(FIXTURES / "sidecar.yaml")
    assert made.report.refused() == []
    assert made.collector == {
        "aggregator": {"url": "${TOWLINE_AGGREGATOR_URL:-http://towline-aggregator:8080}"},
        "flush_seconds": 1,
        "http": {"listen": "${TOWLINE_COLLECTOR_LISTEN:-0.0.0.0:2020}"},
        "log_level": "info",
        "state_dir": "${TOWLINE_STATE_DIR:-/var/log/.towline}",
        "logs": [{"path": "/var/log/*.json.log"}],
        "metrics": {"interval_seconds": 0},
    }
    assert made.aggregator["routes"] == [
        {
            "name": "app_json",
            "match": {"path": ["/var/log/*.json.log"]},
            "parse": "json",
            "rules": [{"set": {"hostname": "{pod}", "kube_pod": "{pod}", "kube_namespace": "{namespace}"}}],
            "to": ["datadog"],
        }
    ]
    assert list(made.aggregator["parsers"]) == ["json"]


@pytest.mark.skipif(
    not PUBLISHED.exists(), reason=f"there is no {PUBLISHED}: the published manifest is not on this machine"
)
def test_the_published_manifest_is_converted_whole():
    made = converted(PUBLISHED)
    assert made.report.refused() == []
    [route] = made.aggregator["routes"]
    assert route["rules"] == [{"set": {"hostname": "{pod}", "kube_pod": "{pod}", "kube_namespace": "{namespace}"}}]
    assert made.collector["logs"] == [{"path": "/var/log/*.json.log"}]


def test_the_routers_own_config_map_is_for_every_pod():
    made = converted(FIXTURES / "aws-logging.yaml")
    assert made.report.refused() == []
    [route] = made.aggregator["routes"]
    assert "match" not in route
    assert (route["parse"], route["to"]) == ("crio", ["cloudwatch"])
    assert made.collector["logs"] == [{"path": "/var/log/app/*.log"}]


def test_a_folder_of_files_without_a_main_one_is_read_whole(tmp_path):
    data = yaml.safe_load((FIXTURES / "aws-logging.yaml").read_text())["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    assert converted(tmp_path).aggregator == converted(FIXTURES / "aws-logging.yaml").aggregator


def test_a_list_of_objects_is_looked_through_for_the_config_map(tmp_path):
    data = {"fluent-bit.conf": "[INPUT]\n Name tail\n Path /a.log\n[OUTPUT]\n Name stdout\n Match *\n"}
    other = {"kind": "ConfigMap", "data": {"x.properties": "a=b"}}
    listed = {"kind": "List", "apiVersion": "v1", "items": [other, {"kind": "ConfigMap", "data": data}]}
    path = written(tmp_path, yaml.safe_dump(listed), "all.yaml")
    assert converted(path).collector["logs"] == [{"path": "/a.log"}]


def test_a_manifest_without_a_configuration_is_said(tmp_path):
    path = written(tmp_path, "kind: ConfigMap\ndata:\n  a: b\n", "x.yaml")
    with pytest.raises(ConfigError, match="no ConfigMap with a Fluent Bit configuration"):
        converted(path)


def test_the_service_section_is_the_collectors(tmp_path):
    head = "[SERVICE]\n Flush 2\n Grace 3\n Log_Level warning\n HTTP_Server On\n HTTP_Listen ::\n HTTP_Port 3030\n Hot_Reload On\n"
    made = converted(pipeline(tmp_path, head))
    assert made.report.refused() == []
    found = made.collector
    assert (found["flush_seconds"], found["log_level"]) == (2, "warning")
    assert found["drain"] == {"grace_seconds": 3, "delivered_seconds": 3}
    assert found["http"] == {"listen": "${TOWLINE_COLLECTOR_LISTEN:-[::]:3030}"}


def test_a_refused_key_stops_a_start_and_names_its_place(tmp_path):
    path = pipeline(tmp_path, "[FILTER]\n Name lua\n Match *\n script x.lua\n")
    for read in (read_collector, read_aggregator):
        with pytest.raises(ConfigError, match=r"\[FILTER\] lua: Towline has no such filter.*\(line 7\)"):
            read(path)


@pytest.mark.parametrize("start", [start_collector, start_aggregator])
def test_neither_program_starts_without_what_was_refused(tmp_path, capsys, start):
    path = pipeline(tmp_path, "[OUTPUT]\n Name es\n Match *\n")
    assert start(path) == 2
    assert "[OUTPUT] es: Towline does not send there" in capsys.readouterr().err


def test_a_variable_without_a_value_is_said_by_its_name_where_it_is_needed(tmp_path, monkeypatch):
    path = pipeline(tmp_path, "[FILTER]\n Name record_modifier\n Match *\n Record region ${MY_REGION}\n")
    converted(path)  # it stays in the converted file
    monkeypatch.delenv("MY_REGION", raising=False)
    with pytest.raises(ConfigError, match="environment variable MY_REGION is not set"):
        read_aggregator(path)
    monkeypatch.setenv("MY_REGION", "eu")
    assert read_aggregator(path)[0].routes[0].rules == ({"set": {"region": "eu"}},)


def test_what_the_aggregator_finds_wrong_is_said_of_the_users_file(tmp_path):
    parsers = "[PARSER]\n Name p\n Format json\n Time_Key t\n Time_Format %Q\n"
    path = pipeline(tmp_path, "[SERVICE]\n Parsers_File parsers.conf\n", "Parser p", parsers_conf=parsers)
    with pytest.raises(ConfigError) as raised:
        read_aggregator(path)
    assert str(raised.value).startswith(f"{path}: parsers.p.time.format:")
    assert "/proc/" not in str(raised.value)


def test_every_key_is_in_the_report_once():
    for path in configurations():
        made = converted(path)
        seen = [(entry.file, entry.line, entry.key) for entry in made.report.entries if entry.key]
        assert len(seen) == len(set(seen)), path


def test_the_report_says_of_every_key_of_a_section_what_became_of_it(tmp_path):
    own = "Refresh_Interval 5\n    Read_From_Head On\n    No_Such_Key x"
    text = converted(pipeline(tmp_path, "", own)).report.text()
    assert "ignored   refresh_interval" in text
    assert "mapped    read_from_head" in text
    assert "ignored   no_such_key" in text
    assert "0 refused" in text


def test_values_written_into_yaml_are_read_as_they_were(tmp_path):
    odd = {"a": "$${x} 'q' \"d\" # no comment: yes", "b": ["on", "1", "~", "0x10", "é\n"]}
    text = as_yaml(odd, "x", "y\nz")
    assert parse_yaml(text, "f", {}) == {**odd, "a": "${x} 'q' \"d\" # no comment: yes"}
