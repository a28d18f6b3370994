"""Services are started, killed and watched as the tests ask for it."""

import sys

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.procs import Service, TookTooLongError, cpu_seconds, free_port, wait_until

READY_SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b'lines_total{a="1"} 2\\nlines_total{a="2"} 3\\nlines_total_other 9\\n')
    def log_message(self, *args):
        pass
print('{"event": "started"}', os.environ["POD_NAME"], file=sys.stderr, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def server(tmp_path):
    port = free_port()
    service = Service(
        ["-c", READY_SERVER, str(port)], tmp_path / "server.log", f"http://127.0.0.1:{port}", {"POD_NAME": "web-0"}
    )
    with service:
        yield service.wait_ready()


@pytest.mark.e2e
def test_a_service_is_ready_killed_and_started_again_on_its_port(server):
    first = server.pid
    assert server.restart().pid != first
    assert server.get("/elsewhere")[0] == 404
    assert [event["event"] for event in server.log_events()] == []
    assert server.log_text().count('{"event": "started"} web-0') == 2
    server.kill()
    assert (server.is_alive, server.returncode, server.get("/readyz")[0]) == (False, -9, 0)


@pytest.mark.e2e
def test_a_service_is_measured_from_outside(server):
    assert server.metric("lines_total") == 5
    assert server.metric("absent_total") == 0
    assert 0 < server.rss_bytes() <= server.peak_rss_bytes()
    assert 0 < cpu_seconds(server.pid) < 60


@pytest.mark.e2e
def test_a_service_that_exits_before_it_is_ready_is_reported_at_once_with_its_log(tmp_path):
    service = Service(
        ["-c", "import sys; sys.exit('collector.yaml: logs: missing')"], tmp_path / "log", "http://127.0.0.1:9"
    )
    with service, pytest.raises(TookTooLongError, match=r"exited with 1 .*\n.*logs: missing"):
        service.wait_ready(60)


@pytest.mark.e2e
def test_a_service_that_ignores_sigterm_is_killed(tmp_path):
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    with Service(["-c", program], tmp_path / "log") as service:
        service.wait_ready(line="up")
        with pytest.raises(TookTooLongError, match="after SIGTERM"):
            service.terminate(0.2)
        assert not service.is_alive


def test_what_is_waited_for_is_returned_and_what_never_comes_is_named():
    assert wait_until(lambda: 7, 0) == 7
    with pytest.raises(TookTooLongError, match="waited 0 s for rain"):
        wait_until(lambda: False, 0, "rain")


def test_a_deployment_merges_changes_into_its_configurations(tmp_path):
    import yaml

    deployment = Deployment(tmp_path)
    collector = yaml.safe_load(
        deployment.collector_config(aggregator={"timeout_seconds": 1}, flush_seconds=0.1).read_text()
    )
    aggregator = yaml.safe_load(
        deployment.aggregator_config(sinks={"dd": {"type": "datadog"}}, routes=[{"to": ["dd"]}]).read_text()
    )
    assert collector["aggregator"] == {"url": deployment.aggregator_url, "timeout_seconds": 1}
    assert collector["flush_seconds"] == 0.1
    assert aggregator["sinks"] == {"dd": {"type": "datadog"}}
    assert deployment.marks() == {}
    assert (deployment.stored_bytes(), deployment.delivered_bytes()) == (0, 0)
    assert sys.executable in deployment.collector().arguments
