"""A Fluent Bit ConfigMap that nobody has changed runs both programs, and every record reaches Datadog with what its filters say."""

import json
import os
import re
import secrets
from pathlib import Path

import pytest

from tests.e2e.procs import ROOT, Service, fetch, wait_until
from tests.e2e.scratch import ARRIVAL_SECONDS, Stage
from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions

pytestmark = pytest.mark.e2e

SHARED = Path(os.environ.get("TOWLINE_SHARED") or ROOT.parent / "shared")
PUBLISHED = SHARED / "fixtures" / "seed" / "fluent-bit-sidecar.yaml"
OWN = ROOT / "tests" / "fixtures" / "fluent_bit" / "sidecar.yaml"
OPENAPI = Path(
    os.environ.get("TOWLINE_DATADOG_OPENAPI") or ROOT.parent / "shared" / "contracts" / "datadog-openapi.yaml"
)
VAR_LOG = Path("/var/log")
BAD_TIME = "2024-05-01T10:00:00Z"  # the fixture's parser carries Apache's format: such a time parses nowhere


def key_of(manifest):
    """The literal key of the ConfigMap."""
    return re.search(r"(?im)^\s*apikey\s+(.*?)\s*$", manifest.read_text())[1]


class Pod:
    """The sidecar and its aggregator, started from one manifest; `intake` is Datadog."""

    def __init__(self, stage: Stage, backstage, manifest: Path):
        self.stage, self.manifest = stage, manifest
        self.intake = backstage.enter(DatadogIntake(IntakeOptions(openapi=OPENAPI if OPENAPI.exists() else None)))
        self.intake.api_key = key_of(manifest)
        self.log = VAR_LOG / f"towline-test-{secrets.token_hex(6)}.json.log"
        stage.stack.callback(lambda: self.log.unlink(missing_ok=True))

    def start(self):
        stage, intake = self.stage, self.intake
        # The environment of the published pod, and where this machine differs from a cluster.
        collector = {
            "POD_NAME": "web-0",
            "POD_NAMESPACE": "shop",
            "TOWLINE_AGGREGATOR_URL": stage.aggregator_url,
            "TOWLINE_COLLECTOR_LISTEN": f"127.0.0.1:{stage.collector_port}",
            "TOWLINE_STATE_DIR": str(stage.state),
        }
        aggregator = {
            "TOWLINE_AGGREGATOR_LISTEN": f"127.0.0.1:{stage.aggregator_port}",
            "TOWLINE_JOURNAL": str(stage.journal / "journal.db"),
            "TOWLINE_DATADOG_LOGS_URL": intake.url,
            "TOWLINE_DATADOG_API_URL": intake.url,
        }
        self.services = [
            stage.run(self._service("aggregator", stage.aggregator_url, aggregator)),
            stage.run(self._service("collector", f"http://127.0.0.1:{stage.collector_port}", collector)),
        ]
        for service in self.services:
            service.wait_ready()

    def _service(self, module, url, environment):
        log = self.stage.folder / f"{module}.log"
        return Service(["-m", module, "--config", str(self.manifest)], log, url, environment)

    def entries(self, count):
        wait_until(lambda: len(self.intake.accepted) >= count, ARRIVAL_SECONDS, f"{count} lines at the intake")
        return self.intake.entries


@pytest.fixture(params=["own", "published"])
def manifest(request):
    if request.param == "own":
        return OWN
    if not PUBLISHED.exists():
        pytest.skip(f"the published manifest is not on this machine: there is no {PUBLISHED}")
    return PUBLISHED


@pytest.mark.skipif(
    not os.access(VAR_LOG, os.W_OK), reason="the manifests read /var/log, which this user may not write to"
)
def test_an_unchanged_config_map_delivers_every_record_with_its_fields(stage, backstage, manifest):
    pod = Pod(stage, backstage, manifest)
    pod.start()
    lines = [json.dumps({"n": n, "time": BAD_TIME, "level": "error"}) for n in range(200)] + ["not json at all"]
    pod.log.write_text("".join(f"{line}\n" for line in lines))
    entries = [entry for entry in pod.entries(201) if pod.log.name in entry["ddtags"]]
    assert [(one.status, one.reason) for one in pod.intake.requests if one.status >= 400] == []
    assert len(entries) == 201
    for entry in entries:
        assert entry["hostname"] == "web-0"
        assert (entry["kube_pod"], entry["kube_namespace"]) == ("web-0", "shop")
    parsed = [entry for entry in entries if "n" in entry]
    assert [entry["n"] for entry in parsed] == list(range(200))
    assert {entry["time"] for entry in parsed} == {BAD_TIME}  # what no format reads stays where it is
    assert {entry["status"] for entry in parsed} == {"error"}
    [plain] = [entry for entry in entries if "n" not in entry]
    assert plain["message"] == "not json at all"
    assert plain["towline_unparsed"] == "json"
    said = "".join(service.log_text() for service in pod.services)
    assert pod.intake.api_key not in said + fetch(f"{stage.aggregator_url}/status")[1]
    assert "clear text" in said
    assert "Move it to a Secret" in said


BESIDE = """\
[SERVICE]
    HTTP_Server   on
[INPUT]
    Name          tail
    Tag           app
    Path          {logs}/*.log
    Exclude_Path  {logs}/debug.log
    Path_Key      file
@INCLUDE filters.conf
[OUTPUT]
    Name          file
    Match         *
    Path          {out}
"""
FILTERS = """\
[FILTER]
    Name    grep
    Match   *
    Exclude log ^noise
[FILTER]
    Name    record_modifier
    Match   *
    Record  version {version}
    Record  ip ${{POD_IP}}
"""


def test_a_filter_that_changes_in_an_included_file_alone_is_applied_and_no_line_is_lost(stage):
    main, filters = stage.folder / "fluent-bit.conf", stage.folder / "filters.conf"
    main.write_text(BESIDE.format(logs=stage.logs, out=stage.out))
    filters.write_text(FILTERS.format(version="one"))
    collector, aggregator = started(stage, main)
    log, out = stage.logs / "app.log", stage.out / "shop" / "web-0.jsonl"
    (stage.logs / "debug.log").write_text("never read\n")
    versions, written = set(), 0

    def both_versions_arrive():
        nonlocal written
        with log.open("a") as file:
            file.writelines(
                f"{word} {number}\n" for number in range(written, written + 20) for word in ("line", "noise")
            )
        written += 20
        versions.update(record["fields"]["version"] for record in records_of(out))
        if versions == {"one"}:
            filters.write_text(FILTERS.format(version="two"))
        return versions == {"one", "two"}

    wait_until(both_versions_arrive, ARRIVAL_SECONDS, "lines of both versions")
    wait_until(lambda: len(records_of(out)) >= written, ARRIVAL_SECONDS, f"{written} lines")
    records = records_of(out)
    assert [record["message"] for record in records] == [f"line {number}" for number in range(written)]
    assert {(record["fields"]["file"], record["fields"]["ip"]) for record in records} == {(str(log), "10.0.0.7")}
    in_order = [record["fields"]["version"] for record in records]
    assert in_order == sorted(in_order)
    assert aggregator.metric("aggregator_configuration_generation") == 2
    for path in ("/", "/api/v1/health", "/api/v1/metrics/prometheus"):
        assert fetch(f"{collector.url}{path}")[0] == 200


def started(stage, configuration):
    """Both programs, with the same file."""
    environment = {
        **stage.identity,
        "POD_IP": "10.0.0.7",
        "TOWLINE_AGGREGATOR_URL": stage.aggregator_url,
        "TOWLINE_COLLECTOR_LISTEN": f"127.0.0.1:{stage.collector_port}",
        "TOWLINE_STATE_DIR": str(stage.state),
        "TOWLINE_AGGREGATOR_LISTEN": f"127.0.0.1:{stage.aggregator_port}",
        "TOWLINE_JOURNAL": str(stage.journal / "journal.db"),
    }
    urls = {"collector": f"http://127.0.0.1:{stage.collector_port}", "aggregator": stage.aggregator_url}
    services = [
        stage.run(Service(["-m", name, "--config", str(configuration)], stage.folder / f"{name}.log", url, environment))
        for name, url in urls.items()
    ]
    return [service.wait_ready() for service in services]


def records_of(path):
    """What the file sink has written, whole lines only."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
