"""Two collectors started by mistake on one pod's files and one state folder: the newer one writes, the older one stands by (rule 1)."""

import pytest
import yaml

from tests.e2e.procs import Service, free_port
from tests.e2e.scratch import assert_exact

pytestmark = pytest.mark.e2e

FENCED = 'aggregator_requests_total{route="blocks",status="421"}'


def second_collector(stage):
    """The same configuration but for the port, which two cannot have."""
    values = yaml.safe_load((stage.folder / "collector.yaml").read_text())
    listen = f"127.0.0.1:{free_port()}"
    path = stage.folder / "second.yaml"
    path.write_text(yaml.safe_dump(values | {"http": {"listen": listen}}))
    arguments = ["-m", "collector", "--config", str(path)]
    return Service(arguments, stage.folder / "second.log", f"http://{listen}", stage.identity)


@pytest.mark.parametrize(
    "rotate", ["rename", *(pytest.param(one, marks=pytest.mark.long) for one in ("none", "copytruncate"))]
)
def test_two_collectors_of_one_pod_lose_and_double_no_line(stage, rotate):
    first, aggregator = stage.start()
    writing = ["--files", 2, "--rate", 400, "--rotate-bytes", 50_000, "--keep", 50, "--rotate", rotate]
    with stage.writer(*writing, lines=1600) as writer:
        stage.wait_for_lines(100)
        second = stage.run(second_collector(stage)).wait_ready()
        assert writer.wait(30) == 0
    written = stage.written_and_delivered()
    assert aggregator.metric(FENCED) > 0
    assert [event["event"] for event in aggregator.log_events()].count("collector_kept_out") == 1
    assert (first.is_alive, second.is_alive) == (True, True)
    assert_exact(written, stage.records())


@pytest.mark.parametrize("leaves", ["first", pytest.param("second", marks=pytest.mark.long)])
def test_either_of_two_collectors_goes_on_alone(stage, leaves):
    first, _ = stage.start()
    second = stage.run(second_collector(stage)).wait_ready()
    with stage.writer("--files", 1, "--rate", 400, lines=1200) as writer:
        stage.wait_for_lines(400)
        assert {"first": first, "second": second}[leaves].terminate() == 0
        assert writer.wait(30) == 0
    written = stage.written_and_delivered()
    assert_exact(written, stage.records())
