"""An aggregator that is given another configuration while it works: nothing is lost, nothing is doubled, and what is wrong changes nothing."""

import json

import pytest

from tests.e2e.procs import fetch, free_port, wait_until
from tests.e2e.reloads import post
from tests.e2e.scratch import assert_exact

pytestmark = pytest.mark.e2e

RELOADS = 12


def file_sink(path, **options):
    return {"type": "file", "path": str(path), "event_id": True, **options}


def test_reloads_under_load_leave_every_line_once_in_the_file(stage):
    _, aggregator = stage.start()
    with stage.writer("--files", 3, "--rate", 400, lines=2500) as writer:
        for number in range(RELOADS):
            stage.aggregator_config(
                sinks={"file": file_sink(stage.delivered, share=0.5 + number / 100)},
                routes=[{"to": ["file"], "name": f"r{number}"}],
            )
            assert post(aggregator.url) == (200, "applied")
        assert writer.is_alive
        assert writer.wait(30) == 0
    written = stage.written_and_delivered()
    assert_exact(written, stage.records())
    assert aggregator.metric("aggregator_configuration_generation") == RELOADS + 1
    assert aggregator.metric("aggregator_delivered_records_total") == len(stage.records())


def test_a_new_sink_is_owed_from_then_on_and_a_removed_one_is_released(stage):
    other = stage.out / "other.jsonl"
    _, aggregator = stage.start()
    stage.append("x.log", b"one\n")
    stage.wait_for_lines(1)
    sinks = {"file": file_sink(stage.delivered), "other": file_sink(other)}
    stage.aggregator_config(sinks=sinks, routes=[{"to": ["file", "other"]}])
    assert post(aggregator.url) == (200, "applied")
    stage.append("x.log", b"two\n")
    stage.wait_for_lines(2)
    wait_until(other.exists, 10)
    wait_until(lambda: [json.loads(line)["message"] for line in other.read_text().splitlines()] == ["two"], 10)
    dead = {"type": "datadog", "api_key_file": str(stage.folder / "key"), "logs_url": f"http://127.0.0.1:{free_port()}"}
    (stage.folder / "key").write_text("0" * 32)
    stage.aggregator_config(sinks={"file": file_sink(stage.delivered), "dd": dead}, routes=[{"to": ["file", "dd"]}])
    assert post(aggregator.url) == (200, "applied")
    stage.append("x.log", b"three\n")
    stage.wait_for_lines(3)
    assert stage.status()["sinks"]["dd"]["owed_blocks"] == 1
    stage.aggregator_config(sinks={"file": file_sink(stage.delivered)}, routes=[{"to": ["file"]}])
    assert post(aggregator.url) == (200, "applied")
    stage.wait_delivered(len("one\ntwo\nthree\n"))
    wait_until(lambda: "dd" not in stage.status()["sinks"], 10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"routes": [{"too": ["file"]}]}, "routes[0].too: unknown key"),
        ({"http": {"max_body_bytes": 1000}}, "http: cannot change while the aggregator runs. Restart it"),
        (
            {"tests": [{"name": "a line", "given": {"lines": ["x"]}, "expect": {"file": [{"message": "y"}]}}]},
            "tests[0]",
        ),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_and_the_old_one_goes_on(stage, changes, said):
    _, aggregator = stage.start()
    stage.aggregator_config(**changes)
    status, answer = post(aggregator.url)
    assert status == 400
    assert said in answer
    configuration = json.loads(fetch(f"{aggregator.url}/status")[1])["configuration"]
    assert (configuration["generation"], configuration["refused"]) == (1, 1)
    assert said in configuration["error"]
    assert aggregator.metric("aggregator_configuration_current") == 0
    stage.append("x.log", b"still delivered\n")
    stage.wait_for_lines(1)


def test_the_page_of_metrics_outlives_a_reload(stage):
    sinks = {"file": file_sink(stage.delivered), "prom": {"type": "prometheus"}}
    _, aggregator = stage.start(collector={"metrics": {"interval_seconds": 1}}, aggregator={"sinks": sinks})
    wait_until(
        lambda: aggregator.metric("container_memory_rss") > 0 or "container_" in aggregator.get("/metrics")[1], 15
    )
    stage.aggregator_config(sinks=sinks, routes=[{"to": ["file"], "name": "again"}])
    assert post(aggregator.url) == (200, "applied")
    status, page = aggregator.get("/metrics")
    assert status == 200
    assert "container_" in page
