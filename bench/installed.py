"""The collector as its image holds it: in an environment of its own that `pip install '.[collector]'` alone has filled.

A development environment may measure something else: libraries import what they happen to find there.
The environment is kept in `.venv/installed` and made anew when a source is newer.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench.measure import say
from tests.e2e.deployment import Deployment
from tests.e2e.procs import ROOT, Service

ENVIRONMENT = ROOT / ".venv" / "installed"
STAMP = ENVIRONMENT / "made"
FILES, PACKAGES = ("pyproject.toml", "README.md"), ("towline", "collector", "aggregator")
CACHES = shutil.ignore_patterns("__pycache__", "*.egg-info")


class Installed(Deployment):
    """A deployment whose collector runs installed. The aggregator holds the same either way (measured: 53.1 MB and 53.2)."""

    def service(self, module: str, config: Path, url: str) -> Service:
        service = super().service(module, config, url)
        if module == "collector":
            service.arguments = [str(towline()), module, "--config", str(config)]
            service.environment["PYTHONPATH"] = ""  # the installed packages, not the working tree's
        return service


@cache
def towline() -> Path:
    """The command of that environment; the first call of a process sees to it that it is there and new."""
    newest = max(path.stat().st_mtime_ns for path in _sources())
    if not STAMP.exists() or STAMP.stat().st_mtime_ns < newest:
        say(f"installing towline[collector] in {ENVIRONMENT}")
        _install()
        STAMP.touch()
        os.utime(STAMP, ns=(newest, newest))  # not now: a source saved meanwhile is newer
    return ENVIRONMENT / "bin" / "towline"


def _sources() -> Iterator[Path]:
    """All that is installed, and the folders: they tell of files that are gone."""
    yield from (ROOT / name for name in FILES)
    for package in PACKAGES:
        for folder, folders, names in os.walk(ROOT / package):
            folders[:] = [name for name in folders if name != "__pycache__"]
            yield Path(folder)
            yield from (Path(folder, name) for name in names)


def _install() -> None:
    """From a copy: setuptools builds inside the tree, and takes along what an older build left there."""
    with tempfile.TemporaryDirectory(prefix="towline-source-") as name:
        source = Path(name)
        for file in FILES:
            shutil.copy(ROOT / file, source)
        for package in PACKAGES:
            shutil.copytree(ROOT / package, source / package, ignore=CACHES)
        _run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
        pip = (str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", f"{source}[collector]")


def _run(*command: str) -> None:
    # stdout is the table's.
    subprocess.run(command, check=True, stdout=sys.stderr)
