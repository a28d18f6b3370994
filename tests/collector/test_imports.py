"""What starting the collector costs every pod (docs/adr/0002-what-a-pod-pays.md)."""

import json
import subprocess
import sys

import pytest

NEVER = (
    "aiohttp",
    "botocore",
    "datadog_api_client",
    "orjson",
    "sqlite3",
    "jwt",
    "rich",
    "pydantic",
    "http.server",
    "aggregator",
)
MOST_RSS_BYTES = 45_000_000

REPORT = """
import json, sys
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
{work}
print(json.dumps({{"modules": sorted(sys.modules), "rss": resident()}}))
"""


def report(work):
    """Modules and resident bytes of a fresh interpreter that did `work`."""
    code = REPORT.format(work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def started():
    return report("import collector.__main__, collector.app")


@pytest.mark.parametrize("name", NEVER)
def test_starting_the_collector_imports_none_of(started, name):
    assert [module for module in started["modules"] if module == name or module.startswith(name + ".")] == []


def test_prometheus_client_is_imported_by_the_first_scrape_only(started):
    assert "prometheus_client" not in started["modules"]
    work = "from collector.metrics import OwnMetrics\nOwnMetrics(lambda: []).page()"
    assert "prometheus_client" in report(work)["modules"]


def test_a_scrape_imports_none_of_them_but_what_prometheus_client_brings():
    work = "import collector.__main__, collector.app\nfrom collector.metrics import OwnMetrics\nOwnMetrics(lambda: []).page()"
    found = report(work)["modules"]
    brought = report("import prometheus_client.exposition")["modules"]
    assert [name for name in NEVER if name in found and name not in brought] == []


def test_a_started_collector_is_small(started):
    sys.stdout.write(f"resident after import: {started['rss'] / 1e6:.1f} MB, {len(started['modules'])} modules\n")
    assert started["rss"] < MOST_RSS_BYTES


def test_a_wrong_configuration_is_answered_before_anything_else_is_loaded(tmp_path):
    file = tmp_path / "collector.yaml"
    file.write_text("aggregator: {}\n")
    work = f"import pathlib, collector.__main__\ncode = collector.__main__.start(pathlib.Path({str(file)!r}))\nassert code == 2"
    assert "collector.app" not in report(work)["modules"]
