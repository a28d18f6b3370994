"""A collector that is given another configuration while it works: nothing is lost, and nothing is doubled."""

import os
import signal
import socket

import pytest

from tests.e2e.procs import fetch, free_port, wait_until
from tests.e2e.reloads import post
from tests.e2e.scratch import assert_exact

pytestmark = pytest.mark.e2e

RELOADS = 12


def paths(stage, *names):
    return [{"path": f"{stage.logs}/{name}", "source": "nginx"} for name in names]


def test_reloads_under_rotation_leave_every_line_once_in_the_file(stage):
    collector, _ = stage.start()
    with stage.writer(
        "--files", 2, "--rate", 400, "--rotate-bytes", 50_000, "--keep", 2, "--rotate", "rename", lines=2500
    ) as writer:
        for number in range(RELOADS):
            stage.collector_config(flush_seconds=0.05 + number / 100, window_bytes=1 << 20 + number % 3)
            assert post(collector.url) == (200, "applied")
        assert writer.is_alive
        assert writer.wait(30) == 0
    assert_exact(stage.written_and_delivered(), stage.records())
    assert collector.metric("collector_configuration_generation") == RELOADS + 1
    assert collector.metric("collector_bytes_lost_total") == 0


def test_a_file_that_was_unlinked_before_a_reload_is_read_to_its_end_after_it(stage):
    collector = stage.run(stage.collector()).wait_ready()  # nobody takes its lines yet
    stage.append("x.log", b"one\ntwo\n" * 5000)
    wait_until(lambda: collector.metric("collector_unstored_bytes") > 0, 10)
    (stage.logs / "x.log").unlink()
    stage.collector_config(flush_seconds=0.1)
    assert post(collector.url) == (200, "applied")
    stage.run(stage.aggregator()).wait_ready()
    stage.wait_for_lines(10_000)
    assert stage.messages() == ["one", "two"] * 5000


def test_paths_that_are_added_are_read_and_those_that_were_there_are_not_read_again(stage):
    deep = stage.logs / "deep"
    deep.mkdir()
    collector, _ = stage.start(collector={"logs": paths(stage, "deep/*.log")})
    (deep / "a.log").write_text("a line that was there\n")
    stage.append("b.log", b"a line of another folder\n")
    stage.wait_for_lines(1)
    # The folder that is watched is another one now: every file in it had another name before.
    stage.collector_config(logs=paths(stage, "deep/*.log", "*.log"))
    os.kill(collector.pid, signal.SIGHUP)
    stage.wait_for_lines(2)
    with (deep / "a.log").open("a") as file:
        file.write("and one more\n")
    stage.wait_for_lines(3)
    assert sorted(stage.messages()) == ["a line of another folder", "a line that was there", "and one more"]


def test_what_is_excluded_from_now_on_is_read_no_further_and_goes_on_where_it_was_left(stage):
    collector, _ = stage.start(collector={"logs": paths(stage, "*.log")})
    stage.append("x.log", b"x one\n")
    stage.append("debug.log", b"debug one\n")
    stage.wait_for_lines(2)
    stage.collector_config(logs=[{**paths(stage, "*.log")[0], "exclude": ["debug.log"]}])
    assert post(collector.url) == (200, "applied")
    stage.append("debug.log", b"debug two\n")
    stage.append("x.log", b"x two\n")
    stage.wait_for_lines(3)
    assert sorted(stage.messages()) == ["debug one", "x one", "x two"]
    stage.collector_config(logs=paths(stage, "*.log"))
    assert post(collector.url) == (200, "applied")
    stage.wait_for_lines(4)
    assert sorted(stage.messages()) == ["debug one", "debug two", "x one", "x two"]


def test_a_configuration_that_is_wrong_is_refused_and_the_old_one_goes_on(stage):
    collector, _ = stage.start()
    file = stage.collector_config(flush_second=0.1)
    status, said = post(collector.url)
    assert status == 400
    assert said.startswith(f"{file}: flush_second: unknown key")
    assert said in fetch(f"{collector.url}/readyz")[1]
    stage.append("x.log", b"still shipped\n")
    stage.wait_for_lines(1)
    assert collector.metric("collector_configuration_current") == 0
    stage.collector_config()
    assert post(collector.url) == (200, "unchanged")
    assert collector.metric("collector_configuration_current") == 1


def test_what_names_the_process_cannot_change(stage, tmp_path):
    collector, _ = stage.start()
    stage.collector_config(state_dir=str(tmp_path / "elsewhere"))
    status, said = post(collector.url)
    assert (status, said.partition(": ")[2]) == (
        400,
        "state_dir: cannot change while the collector runs. Restart the pod",
    )


def test_its_own_address_may_change_and_one_that_is_taken_is_refused(stage):
    collector, _ = stage.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stage.collector_config(http={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        status, said = post(collector.url)
    assert status == 400
    assert "http.listen" in said
    port = free_port()
    stage.collector_config(http={"listen": f"127.0.0.1:{port}"})
    os.kill(collector.pid, signal.SIGHUP)  # who posted would be cut off with the old address
    wait_until(lambda: fetch(f"http://127.0.0.1:{port}/readyz")[0] == 200, 10)


def test_what_dogstatsd_counted_stays_counted_over_reloads(stage):
    port, page = (
        free_port(socket.SOCK_DGRAM),
        {"file": {"type": "file", "path": str(stage.delivered)}, "prom": {"type": "prometheus"}},
    )
    metrics = {"interval_seconds": 0.2, "dogstatsd": {"listen": f"127.0.0.1:{port}"}}
    collector, aggregator = stage.start(collector={"metrics": metrics}, aggregator={"sinks": page})
    app = socket.socket(type=socket.SOCK_DGRAM)
    for number in range(10):
        app.sendto(b"orders:1|c", ("127.0.0.1", port))
        stage.collector_config(metrics={**metrics, "top_processes": number % 2}, flush_seconds=0.1 + number / 100)
        assert post(collector.url) == (200, "applied")
        app.sendto(b"orders:1|c", ("127.0.0.1", port))
    app.close()
    wait_until(lambda: aggregator.metric("orders_total") == 20, 20, "20 orders")
