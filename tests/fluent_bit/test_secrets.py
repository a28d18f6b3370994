"""The API key of a ConfigMap: used, never shown, never on disk."""

import os

import pytest

from aggregator.__main__ import read_config
from tests.e2e.procs import ROOT
from tests.fluent_bit.harness import converted, written
from towline.fluent_bit.convert import read_setup
from towline.fluent_bit.reading import our_text
from towline.fluent_bit.writing import as_yaml
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.secret import read_secret

KEY = "0123456789abcdef0123456789abcdef"
SIDECAR = ROOT / "tests" / "fixtures" / "fluent_bit" / "sidecar.yaml"
INPUT = "[INPUT]\n Name tail\n Tag app\n Path /var/log/app.log\n"


def with_key(folder, key, head=""):
    return written(folder, f"{head}{INPUT}[OUTPUT]\n Name datadog\n Match *\n tls on\n apikey {key}\n")


def key_file(config):
    return config.sinks["datadog"]["api_key_file"]


def test_a_literal_key_reaches_the_sink_by_a_file_in_memory():
    config, notices = read_config(SIDECAR)
    secret = read_secret(Place("x"), key_file(config))
    assert secret is not None
    assert secret.reveal() == KEY
    assert any("Move it to a Secret" in notice for notice in notices)


def test_a_literal_key_is_shown_by_nothing(capfd):
    config, notices = read_config(SIDECAR)
    made = converted(SIDECAR)
    setup = read_setup(SIDECAR)
    text, warnings = our_text(SIDECAR, "aggregator", {})
    shown = [repr(config), str(notices), repr(made), made.report.text(), repr(setup.sections), text, str(warnings)]
    shown += [repr(made.aggregator), repr(made.collector), *capfd.readouterr(), *os.environ.values()]
    assert [one for one in shown if KEY in one] == []


def test_a_literal_key_is_nowhere_on_disk(tmp_path):
    path = with_key(tmp_path, KEY)
    config, _ = read_config(path)
    assert key_file(config).startswith("/proc/self/fd/")
    assert os.path.realpath(key_file(config)).startswith("/memfd:")
    assert [file for file in tmp_path.rglob("*") if file != path] == []


def test_the_same_key_is_kept_once_however_often_it_is_read(tmp_path):
    path = with_key(tmp_path, KEY)
    assert read_config(path)[0] == read_config(path)[0]


def test_a_key_in_the_environment_is_left_there(tmp_path):
    made = converted(with_key(tmp_path, "${DD_API_KEY}"))
    assert made.secrets == {}
    assert made.report.warnings == []


def test_a_key_in_a_variable_of_another_name_is_taken_from_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DATADOG_KEY", KEY)
    config, notices = read_config(with_key(tmp_path, "${DATADOG_KEY}"))
    assert read_secret(Place("x"), key_file(config)).reveal() == KEY
    assert notices == []


def test_a_key_that_set_gives_is_a_literal_one(tmp_path):
    path = with_key(tmp_path, "${key}", f"@SET key={KEY}\n")
    config, notices = read_config(path)
    assert read_secret(Place("x"), key_file(config)).reveal() == KEY
    assert "written into the configuration" in notices[0]
    assert KEY not in repr(read_setup(path)) + str(notices) + converted(path).report.text()


@pytest.mark.parametrize("key", ["${DATADOG_KEY}", ""])
def test_a_key_that_is_empty_is_said_before_anything_starts(tmp_path, monkeypatch, key):
    monkeypatch.delenv("DATADOG_KEY", raising=False)
    with pytest.raises(ConfigError, match="apikey is empty"):
        read_config(with_key(tmp_path, key))


def test_an_output_without_a_key_is_refused(tmp_path):
    path = written(tmp_path, INPUT + "[OUTPUT]\n Name datadog\n Match *\n tls on\n")
    assert "has no apikey" in converted(path).report.refused()[0]


def test_two_outputs_have_a_key_each(tmp_path):
    output = "[OUTPUT]\n Name datadog\n Match *\n tls on\n apikey {}\n"
    config, _ = read_config(written(tmp_path, INPUT + output.format("key-a") + output.format("key-b")))
    keys = [read_secret(Place("x"), sink["api_key_file"]).reveal() for sink in config.sinks.values()]
    assert keys == ["key-a", "key-b"]


def test_the_converted_files_name_a_place_for_the_key_and_never_hold_it(tmp_path):
    made = converted(with_key(tmp_path, KEY))
    assert made.aggregator["sinks"]["datadog"]["api_key_file"] == "/etc/towline/secrets/datadog-api-key"
    assert KEY not in as_yaml(made.aggregator, "x", "y")
