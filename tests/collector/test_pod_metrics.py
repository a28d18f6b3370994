import os
import shutil
import time
from pathlib import Path

import msgspec
import pytest
import structlog

from collector.sources.pod_metrics import FAMILIES, PodMetrics, has_own_kernel
from towline.wire.identity import Pod

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
SAMPLERS = ("cpu", "memory", "network", "filesystem", "processes")
NOW = 1_800_000_000_000_000_000


def series(families):
    return {(f.name, *(value for _, value in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def sampled(tree, volumes=(), **options):
    return series(PodMetrics(volumes, root=tree if isinstance(tree, Path) else TREES / tree, **options).sample(NOW))


def successes(found):
    return {name: found["towline_sampler_success", name] for name in SAMPLERS}


@pytest.mark.parametrize("tree", ["v1-container", "v2-host", "v2-namespaced"])
def test_the_same_container_says_the_same_under_every_cgroup_version(tree):
    found = sampled(tree)
    assert successes(found) == dict.fromkeys(SAMPLERS, 1)
    assert found["container_cpu_usage_seconds_total", "container"] > 0.5
    assert found["container_cpu_cfs_periods_total", "container"] >= 30
    assert found["container_cpu_cfs_throttled_periods_total", "container"] >= 30
    assert found["container_cpu_cfs_throttled_seconds_total", "container"] > 2
    assert found["container_spec_memory_limit_bytes", "container"] == 64 << 20
    usage = found["container_memory_usage_bytes", "container"]
    assert usage - found["container_memory_working_set_bytes", "container"] == 9 << 20
    assert 0 < found["container_memory_rss", "container"] < usage
    assert found["container_processes", "container"] >= 3
    assert found["container_threads", "container"] >= 3


@pytest.mark.parametrize("tree", ["v1-unlimited", "v2-unlimited"])
def test_no_limit_is_no_series(tree):
    found = sampled(tree)
    assert found["towline_sampler_success", "memory"] == 1
    assert ("container_spec_memory_limit_bytes", "container") not in found


def test_a_hybrid_is_read_where_each_controller_lives():
    found = sampled("hybrid")
    assert successes(found) == dict.fromkeys(SAMPLERS, 1)
    assert found["container_network_receive_bytes_total", "eth0", "pod"] > 0


def test_the_root_group_of_v2_has_no_memory_of_its_own_and_says_so_without_harm_to_the_others():
    with structlog.testing.capture_logs() as logs:
        metrics = PodMetrics((), root=TREES / "v2-root")
        found = series(metrics.sample(NOW))
        metrics.sample(NOW)
    assert successes(found) == dict.fromkeys(SAMPLERS, 1) | {"memory": 0}
    assert [(log["event"], log["sampler"]) for log in logs] == [("sampler_failed", "memory")]


def test_a_sampler_that_works_again_says_so_once(tmp_path):
    tree = shutil.copytree(TREES / "v2-namespaced", tmp_path / "tree")
    metrics = PodMetrics((), root=tree)
    (tree / "proc/net/dev").rename(tree / "away")
    with structlog.testing.capture_logs() as logs:
        assert series(metrics.sample(NOW))["towline_sampler_success", "network"] == 0
        (tree / "away").rename(tree / "proc/net/dev")
        for _ in range(2):
            assert series(metrics.sample(NOW))["towline_sampler_success", "network"] == 1
    assert [log["event"] for log in logs] == ["sampler_failed", "sampler_recovered"]


def test_where_nothing_can_be_read_every_sampler_is_a_zero_and_nothing_is_raised(tmp_path):
    found = sampled(tmp_path)
    assert successes(found) == dict.fromkeys(SAMPLERS, 0) | {"filesystem": 1}


@pytest.mark.parametrize("rubbish", [b"", b"\xff\xfe", b"a b c\n", b"usage_usec many\n"])
def test_rubbish_in_a_file_is_a_zero(tmp_path, rubbish):
    tree = shutil.copytree(TREES / "v2-namespaced", tmp_path / "tree")
    (tree / "sys/fs/cgroup/cpu.stat").write_bytes(rubbish)
    assert successes(sampled(tree)) == dict.fromkeys(SAMPLERS, 1) | {"cpu": 0}


def test_a_group_that_moved_is_found_again(tmp_path):
    tree = shutil.copytree(TREES / "v2-host", tmp_path / "tree")
    metrics = PodMetrics((), root=tree)
    metrics.sample(NOW)
    (tree / "sys/fs/cgroup/kubepods/pod1/c1").rename(tree / "sys/fs/cgroup/kubepods/pod1/c9")
    (tree / "proc/self/cgroup").write_text("0::/kubepods/pod1/c9\n")
    metrics.sample(NOW)
    assert successes(series(metrics.sample(NOW))) == dict.fromkeys(SAMPLERS, 1)


def test_the_machine_is_the_pods_only_where_that_was_said():
    assert ("container_memory_usage_bytes", "pod") not in sampled("v2-host")
    found = sampled("v2-host", own_kernel=True)
    assert found["container_memory_usage_bytes", "pod"] > found["container_memory_usage_bytes", "container"]
    assert found["container_cpu_usage_seconds_total", "pod"] > found["container_cpu_usage_seconds_total", "container"]
    assert ("container_spec_memory_limit_bytes", "pod") not in found


@pytest.mark.parametrize(("annotations", "own"), [({"CapacityProvisioned": "0.25vCPU 0.5GB"}, True), ({}, False)])
def test_fargates_annotation_says_that_the_pod_has_a_kernel_of_its_own(annotations, own):
    assert has_own_kernel(Pod(namespace="n", name="p", uid="u", annotations=annotations)) is own


def test_a_container_with_a_name_says_it_on_its_own_series_only():
    families = PodMetrics((), root=TREES / "v2-host", container="towline").sample(NOW)
    scopes = {(s.labels.get("scope"), s.labels.get("container")) for f in families for s in f.samples}
    assert scopes == {("container", "towline"), ("pod", None), (None, None)}


def test_volumes_are_measured_once_per_mount_and_one_not_made_yet_is_no_failure(tmp_path):
    (tmp_path / "sub").mkdir()
    found = sampled("v2-host", [str(tmp_path), str(tmp_path / "sub"), str(tmp_path / "later")])
    mounts = [key for key in found if key[0] == "kubelet_volume_stats_capacity_bytes"]
    actual = os.statvfs(tmp_path)
    assert len(mounts) == 1
    assert found[mounts[0]] == actual.f_blocks * actual.f_frsize
    assert found["towline_sampler_success", "filesystem"] == 1


def test_a_volume_that_cannot_be_looked_at_is_a_zero(tmp_path):
    (tmp_path / "file").touch()
    assert sampled("v2-host", [str(tmp_path / "file" / "below")])["towline_sampler_success", "filesystem"] == 0


def test_each_sampler_times_itself():
    ticks = iter(range(100))
    found = sampled("v2-host", clock=lambda: float(next(ticks)))
    assert {found["towline_sampler_duration_seconds", name] for name in SAMPLERS} == {1.0}


def test_no_family_has_a_series_twice_and_all_can_travel():
    families = PodMetrics(["/"], root=TREES / "v2-host", own_kernel=True).sample(NOW)
    assert len({f.name for f in families}) == len(families)
    assert {f.name for f in families} == FAMILIES.keys()
    assert sum(len(f.samples) for f in families) == len(series(families))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(families))


def test_this_very_machine_can_be_sampled_cheaply():
    metrics = PodMetrics(["/tmp"], own_kernel=True)
    found = series(metrics.sample(NOW))
    assert found["towline_sampler_success", "network"] == found["towline_sampler_success", "filesystem"] == 1
    started = time.process_time()
    for _ in range(20):
        metrics.sample(NOW)
    assert (time.process_time() - started) / 20 <= 0.001 * 15  # a tenth of a percent of a core at 15 s
