"""docs/guides/testing-config.md: what it shows is what happens."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from aggregator.explaining import Destination, Event, Explained, Step, Tried
from aggregator.previews import Preview
from aggregator.routes_met import RouteMet
from tests.e2e.procs import KEPT_ENVIRONMENT, ROOT

GUIDE = (ROOT / "docs" / "guides" / "testing-config.md").read_text()
BLOCKS = re.findall(r"(?ms)^```(yaml|console)\n(.*?)^```", GUIDE)
COMMAND = re.compile(r"(?m)^\$ (.+)\n((?:(?!\$ ).*\n)*)")


@pytest.fixture
def run(tmp_path):
    kept = {key: value for key, value in os.environ.items() if key in KEPT_ENVIRONMENT}

    def run(command):
        return subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_every_command_of_the_guide_prints_what_the_guide_says(tmp_path, run):
    shown, got, code = [], [], None
    for kind, text in BLOCKS:
        if kind == "yaml":
            (tmp_path / re.match(r"# (\S+)", text)[1]).write_text(text)
            continue
        for command, output in COMMAND.findall(text):
            if command == "echo $?":
                got.append((command, f"{code}\n"))
            else:
                done = run(command)
                code = done.returncode
                got.append((command, done.stdout))
            shown.append((command, output))
    assert got == shown
    assert len(shown) == 7


@pytest.mark.parametrize("struct", [Explained, RouteMet, Destination, Event, Tried, Step, Preview])
def test_every_key_of_the_json_form_is_named(struct):
    assert [name for name in struct.__struct_fields__ if f"`{name}`" not in GUIDE] == []


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", GUIDE):
        assert (ROOT / "docs" / "guides" / target).exists(), target
