import subprocess
import sys

import pytest

from tests.e2e.procs import ROOT
from towline.plumbing.recognise import is_fluent_bit, is_fluent_bit_text

FIXTURES = ROOT / "tests" / "fixtures" / "fluent_bit"


@pytest.mark.parametrize(
    "text",
    [
        "[SERVICE]\n    Flush 1\n",
        "# a comment\n\n  [input]\n Name tail\n",
        "@INCLUDE x.conf\n",
        "@SET a=b\n[INPUT]\n",
        "service:\n  flush: 1\npipeline:\n  inputs: []\n",
        "env:\n  a: b\nincludes:\n  - x.yaml\n",
        "kind: ConfigMap\ndata:\n  a.conf: |\n    [OUTPUT]\n        Name stdout\n",
    ],
)
def test_a_fluent_bit_configuration_is_known_by_its_content(text):
    assert is_fluent_bit_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "aggregator:\n  url: http://x\nlogs:\n  - path: /x/*.log\n",
        "http:\nsinks:\n  a: {type: file}\nparsers:\n  app: {type: json}\nmultiline:\n  x: {start: '^\\['}\n",
        "[1, 2]\n",
        "kind: ConfigMap\ndata:\n  collector.yaml: |\n    aggregator:\n",
    ],
)
def test_our_own_files_and_others_are_not_taken_for_one(text):
    assert not is_fluent_bit_text(text)


def test_the_projects_own_configuration_is_not_taken_for_one():
    assert not any(is_fluent_bit(file) for file in (ROOT / "config").rglob("*.yaml"))


@pytest.mark.parametrize(
    "name", ["sidecar.yaml", "aws-logging.yaml", "classic/fluent-bit.conf", "yaml/fluent-bit.yaml"]
)
def test_the_fixtures_are(name):
    assert is_fluent_bit(FIXTURES / name)


def test_a_folder_of_conf_files_is_one_and_what_is_not_there_is_none(tmp_path):
    assert not is_fluent_bit(tmp_path)
    assert not is_fluent_bit(tmp_path / "absent.conf")
    (tmp_path / "output.conf").write_text("[OUTPUT]\n")
    assert is_fluent_bit(tmp_path)


def test_a_collector_of_our_own_configuration_loads_nothing_of_the_conversion(tmp_path):
    config = tmp_path / "collector.yaml"
    config.write_text(f"aggregator: {{url: 'http://127.0.0.1:1'}}\nlogs: [{{path: {tmp_path}/*.log}}]\n")
    code = (
        "import sys; from pathlib import Path; from collector.__main__ import read_config; import collector.app;"
        f"read_config(Path({str(config)!r})); print([name for name in sys.modules if 'fluent' in name])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
