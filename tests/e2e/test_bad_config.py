"""A wrong configuration is answered with file, key, problem and fix, and exit code 2, before anything starts."""

import os
import re
import socket
import subprocess
import sys

import pytest

from tests.e2e.procs import KEPT_ENVIRONMENT, ROOT

pytestmark = pytest.mark.e2e

COLLECTOR = "aggregator: {url: 'http://127.0.0.1:9'}\nlogs: [{path: /tmp/none/*.log}]\n"
AGGREGATOR = "sinks: {out: {type: file, path: '/tmp/none/{pod}.jsonl'}}\n"
FORM = re.compile(r"(?P<file>\S+\.yaml)(:\d+(:\d+)?)?: ((?P<key>[\w.\[\]]+): )?(?P<problem>.+?[.:] .+)")

CASES = {
    "collector": {
        "unknown key": (COLLECTOR + "flush: 1\n", "flush"),
        "wrong type": (COLLECTOR + "metrics: {interval_seconds: often}\n", "metrics.interval_seconds"),
        "wrong url": ("aggregator: {url: here}\nlogs: [{path: /l/*.log}]\n", "aggregator.url"),
        "relative path": ("aggregator: {url: 'http://a:1'}\nlogs: [{path: l.log}]\n", "logs[0].path"),
        "missing secret": (
            "aggregator: {url: 'http://a:1', token_file: /no/token}\nlogs: [{path: /l/*.log}]\n",
            "aggregator.token_file",
        ),
        "no yaml": ("aggregator: {url: [\n", None),
        "link-local": (
            "aggregator: {url: 'http://169.254.169.254'}\nlogs: [{path: /l/*.log}]\n",
            "aggregator.url",
        ),
    },
    "aggregator": {
        "unknown key": (AGGREGATOR + "jurnal: {}\n", "jurnal"),
        "unknown sink": ("sinks: {dd: {type: datdog}}\n", "sinks.dd"),
        "unknown option of a sink": ("sinks: {out: {type: file, pth: /x}}\n", "sinks.out.pth"),
        "wrong type": (AGGREGATOR + "journal: {max_bytes: plenty}\n", "journal.max_bytes"),
        "route to nowhere": (AGGREGATOR + "routes: [{to: [elsewhere]}]\n", "routes[0].to"),
        "secret in the file": ("sinks: {dd: {type: datadog, api_key: 0123}}\n", "sinks.dd.api_key"),
        "no destination": ("sinks: {}\n", "sinks"),
    },
}


def run(*arguments, **environment):
    kept = {key: value for key, value in os.environ.items() if key in KEPT_ENVIRONMENT}
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("service", "case"), [(service, case) for service, cases in CASES.items() for case in cases])
def test_every_door_says_what_is_wrong_and_leaves_with_2(tmp_path, service, case):
    text, key = CASES[service][case]
    file = tmp_path / f"{service}.yaml"
    file.write_text(text)
    doors = [[service, "--config", file], ["towline", service, "--config", file]]
    for door in doors if case == "unknown key" else doors[:1]:
        done = run(*door)
        assert (done.returncode, done.stdout) == (2, "")
        said = [FORM.fullmatch(line) for line in done.stderr.splitlines()]
        assert said, "nothing was said"
        assert all(said), done.stderr
        assert {one["file"] for one in said} == {str(file)}
        assert key is None or key in {one["key"] for one in said}, done.stderr
        assert "0123" not in done.stderr.replace(str(tmp_path), "")
    assert list(tmp_path.iterdir()) == [file]  # nothing was started: no journal, no state


@pytest.mark.parametrize("service", ["collector", "aggregator"])
def test_a_missing_file_is_said_to_be_missing(tmp_path, service):
    done = run(service, "--config", tmp_path / "none.yaml")
    assert done.returncode == 2
    assert done.stderr == (
        f"{tmp_path}/none.yaml: there is no such file. Check the path, and that its ConfigMap is mounted\n"
    )


def test_check_validates_several_files_and_starts_nothing(tmp_path):
    good, bad = tmp_path / "collector.yaml", tmp_path / "aggregator.yaml"
    good.write_text(COLLECTOR)
    bad.write_text("sinks: {dd: {type: datdog}}\n")
    done = run("towline", "check", good, bad)
    assert (done.returncode, done.stdout) == (2, f"{good}: ok (collector)\n")
    assert done.stderr.startswith(f"{bad}: sinks.dd: unknown type 'datdog'. Did you mean datadog? Use one of: ")
    assert run("towline", "check", good).returncode == 0


def test_a_key_that_is_nowhere_is_said_before_anything_is_delivered(tmp_path):
    file = tmp_path / "aggregator.yaml"
    file.write_text(f"journal: {{path: {tmp_path}/j/journal.db}}\nsinks: {{dd: {{type: datadog}}}}\n")
    done = run("aggregator", "--config", file)
    assert done.returncode == 2
    assert "sinks.dd.api_key_file: there is no API key. Name a file that holds it, or set DD_API_KEY" in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        files = {
            "collector": f"state_dir: {tmp_path}/state\nhttp: {{listen: '{listen}'}}\n{COLLECTOR}",
            "aggregator": f"journal: {{path: {tmp_path}/j/journal.db}}\nhttp: {{listen: '{listen}'}}\n{AGGREGATOR}",
        }
        for service, text in files.items():
            file = tmp_path / f"{service}.yaml"
            file.write_text(text.replace("/tmp/none", str(tmp_path)))
            done = run(service, "--config", file)
            assert done.returncode == 2, done.stderr
            assert (
                f"{service}.yaml: http.listen: {listen}: Address already in use. Free the port, or listen elsewhere"
                in done.stderr
            )
