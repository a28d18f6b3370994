from pathlib import Path

import pytest

from collector.sources.samplers.pod_metrics import PodMetrics

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
NOW = 1_800_000_000_000_000_000


def sampled(state_dir=None, tree="v2-host", rounds=1):
    metrics = PodMetrics((), root=TREES / tree, state_dir=state_dir, own_kernel=True)
    for _ in range(rounds):
        families = metrics.sample(NOW)
    return {(f.name, s.labels.get("scope")): s.value for f in families for s in f.samples}


def restarts(*arguments, **options):
    return sampled(*arguments, **options).get(("towline_collector_restarts_total", "container"))


def test_each_start_on_a_state_folder_is_a_restart_but_the_first(tmp_path):
    assert [restarts(tmp_path), restarts(tmp_path), restarts(tmp_path)] == [0, 1, 2]


def test_a_round_is_no_start(tmp_path):
    assert restarts(tmp_path, rounds=3) == 0


def test_a_state_folder_that_cannot_be_written_says_nothing_of_restarts(tmp_path):
    assert restarts(tmp_path / "not there") is None
    assert sampled(tmp_path / "not there")["towline_sampler_success", None] == 1


def test_without_a_state_folder_restarts_are_not_known():
    assert restarts(None) is None


@pytest.mark.parametrize("rubbish", [b"", b"many", b"-5", b"\xff"])
def test_a_count_that_cannot_be_read_begins_anew(tmp_path, rubbish):
    (tmp_path / "starts").write_bytes(rubbish)
    assert restarts(tmp_path) == 0
    assert restarts(tmp_path) == 1


@pytest.mark.parametrize("tree", ["v1-container", "v2-host", "hybrid"])
def test_the_container_started_after_its_machine_did(tree):
    found = sampled(tree=tree)
    boot = found["node_boot_time_seconds", "pod"]
    assert boot <= found["container_start_time_seconds", "container"] < boot + 1_000_000
    assert 0 <= found["towline_collector_uptime_seconds", "container"] < 3600
    assert found["container_last_seen", "container"] == NOW / 1e9
