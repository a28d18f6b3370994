"""The whole product without credentials, among metadata services that would gladly give some: nobody asks them.

They stand on `lo` of a network namespace of its own: an address that cannot be reached would hide who tried.
"""

import os
import subprocess

import pytest

from tests.e2e.metadata_listener import ADDRESSES
from tests.e2e.procs import Service, wait_until
from tests.e2e.scratch import Stage, line_count

pytestmark = pytest.mark.e2e

ASK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"
BAITS = {
    "nothing": {},
    "what EKS and ECS set": {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials",
        "AWS_DEFAULTS_MODE": "auto",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x",
    },
    "what Pod Identity sets": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"},
}


class Namespace:
    """A network of its own: loopback, the metadata addresses, and who asked there."""

    def __init__(self, stage: Stage) -> None:
        self.name = f"towline-{os.getpid()}-{os.urandom(3).hex()}"
        self._ip("netns", "add", self.name)
        stage.stack.callback(self._ip, "netns", "del", self.name)
        self._ip("-n", self.name, "link", "set", "lo", "up")
        for address in ADDRESSES:
            length = "128" if ":" in address else "32"
            self._ip(
                "-n", self.name, "addr", "add", f"{address}/{length}", "dev", "lo", "nodad" if ":" in address else ""
            )
        self.listener = self.inside(Service(["-m", "tests.e2e.metadata_listener"], stage.folder / "metadata.txt"))
        stage.run(self.listener).wait_ready(line="listening")

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *filter(None, arguments)], capture_output=True, text=True, timeout=20, check=False)
        if done.returncode:
            pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")

    def inside(self, service: Service) -> Service:
        service.arguments = ["ip", "netns", "exec", self.name, *service.arguments]
        return service

    def contacts(self):
        lines = self.listener.log_text().splitlines()
        return [line.removeprefix("contacted ") for line in lines if line.startswith("contacted ")]


@pytest.fixture
def namespace(stage):
    return Namespace(stage)


@pytest.mark.needs("ip")
@pytest.mark.parametrize("bait", BAITS)
def test_no_code_path_contacts_a_metadata_service(stage, namespace, bait):
    record = stage.folder / "intake.jsonl"
    intake = Service(
        ["-m", "tests.fakes.datadog_intake", "--port", "8126", "--record", str(record)], stage.folder / "intake.log"
    )
    stage.run(namespace.inside(intake)).wait_ready(line="listening")
    urls = {"logs_url": "http://127.0.0.1:8126", "api_url": "http://127.0.0.1:8126"}
    sinks = {
        "dd": {"type": "datadog", **urls},
        "cw": {"type": "cloudwatch", "region": "eu-central-1", "endpoint_url": "http://127.0.0.1:9"},
        "file": {"type": "file", "path": str(stage.delivered)},
        "prom": {"type": "prometheus"},
    }
    both = (
        stage.collector(metrics={"interval_seconds": 1}, drain={"delivered_seconds": 1}),
        stage.aggregator(sinks=sinks, routes=[{"to": ["dd", "cw", "file"]}]),
    )
    for service in both:
        service.environment |= {"HOME": str(stage.folder), "DD_API_KEY": "test-api-key", **BAITS[bait]}
        stage.run(namespace.inside(service))
    for service in both:
        service.wait_ready(line='"service_started"')
    stage.append("x.log", b"a line\n" * 100)
    wait_until(lambda: line_count(record) == line_count(stage.delivered) == 100, 30, "delivery by the other sinks")
    wait_until(lambda: "there are no AWS credentials" in both[1].log_text(), 30, "that CloudWatch has no credentials")
    wait_until(lambda: tries_of(both[1]) >= 1, 30, "a lane that waits for credentials")
    assert both[0].terminate(40) == 0
    both[1].kill()
    assert namespace.contacts() == []
    ask_all(stage, namespace)
    assert namespace.contacts() == list(ADDRESSES)  # whoever had asked would have been noticed


def ask_all(stage, namespace):
    for address in ADDRESSES:
        host = f"[{address}]" if ":" in address else address
        asking = namespace.inside(Service(["-c", ASK, f"http://{host}/latest/meta-data/"], stage.folder / "ask.log"))
        stage.run(asking).wait(20)


def tries_of(aggregator):
    """How often a delivery to CloudWatch was delayed or held, by the log."""
    return sum(
        event.get("sink") == "cw" and event["event"] != "sink_unwell_at_start" for event in aggregator.log_events()
    )
