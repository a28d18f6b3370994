import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import structlog

from collector.core.capacity import Capacity
from collector.sources.samplers.families import FAMILIES
from collector.sources.samplers.pod_metrics import PodMetrics, capacity_of, has_own_kernel
from towline.wire.identity import Pod

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
SAMPLERS = (
    "siblings",
    "cpu",
    "memory",
    "disk",
    "network",
    "pressure",
    "descriptors",
    "processes",
    "volumes",
    "uptime",
)
CONTAINERS = ("v1-container", "v2-host", "v2-namespaced", "hybrid")
OWN = "1b35060c33bd673408add98a1e47d4b5e7916e529207c38100b39af08358444f"
NOW = 1_800_000_000_000_000_000
MIB = 1 << 20


def series(families):
    """Family, its labels' values in the order of their names -> value."""
    return {(f.name, *(value for _, value in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def sampled(tree, volumes=(), **options):
    return series(PodMetrics(volumes, root=tree if isinstance(tree, Path) else TREES / tree, **options).sample(NOW))


def successes(found):
    return {name: found["towline_sampler_success", name] for name in SAMPLERS}


ALL_WELL = dict.fromkeys(SAMPLERS, 1)


@pytest.mark.parametrize("tree", CONTAINERS)
def test_the_same_container_says_the_same_under_every_cgroup_version(tree):
    found = sampled(tree)
    assert successes(found) == ALL_WELL
    assert found["container_cpu_usage_seconds_total", "container"] > 0.5
    assert found["container_cpu_cfs_periods_total", "container"] >= 10
    assert found["container_cpu_cfs_throttled_periods_total", "container"] >= 10
    assert found["container_cpu_cfs_throttled_seconds_total", "container"] > 0.5
    assert found["container_spec_cpu_quota", "container"] == 25_000
    assert found["container_spec_memory_limit_bytes", "container"] == 64 * MIB
    assert found["container_oom_events_total", "container"] == 1
    assert 0 < found["container_memory_rss", "container"] < found["container_memory_usage_bytes", "container"]
    assert found["container_memory_failures_total", "pgfault", "container"] > 0
    assert found["container_processes", "container"] >= 2
    assert found["container_threads", "container"] >= 2
    assert found["container_file_descriptors", "container"] >= 3


@pytest.mark.parametrize("tree", ["v2-host", "v2-namespaced"])
def test_v2_says_whether_tasks_wait(tree):
    found = sampled(tree)
    assert found["container_pressure_cpu_waiting_seconds_total", "container"] > 1
    assert found["container_pressure_cpu_stalled_seconds_total", "container"] > 1
    assert found["container_pressure_io_waiting_seconds_total", "container"] > 0


@pytest.mark.parametrize("tree", ["v1-container", "hybrid", "v2-root"])
def test_without_a_v2_group_of_its_own_a_container_has_no_pressure(tree):
    found = sampled(tree, own_kernel=True)
    assert ("container_pressure_cpu_waiting_seconds_total", "container") not in found
    assert found["container_pressure_cpu_waiting_seconds_total", "pod"] > 0
    assert found["towline_sampler_success", "pressure"] == 1


@pytest.mark.parametrize("tree", ["v1-container", "v2-namespaced"])
def test_io_names_the_device_as_it_is_called(tree):
    found = sampled(tree)
    assert found["container_fs_reads_bytes_total", "/dev/vda", "container"] > 9 * MIB
    assert found["container_fs_reads_total", "/dev/vda", "container"] > 0


@pytest.mark.parametrize("tree", ["v1-unlimited", "v2-unlimited"])
def test_no_limit_is_no_series(tree):
    found = sampled(tree)
    assert successes(found) == ALL_WELL
    for family in ("container_spec_memory_limit_bytes", "container_spec_cpu_quota", "container_threads_max"):
        assert (family, "container") not in found


def test_a_limit_of_tasks_is_said():
    assert sampled("v2-host")["container_threads_max", "container"] == 64


def test_the_root_group_of_v2_has_no_memory_of_its_own_and_says_so_without_harm_to_the_others():
    with structlog.testing.capture_logs() as logs:
        metrics = PodMetrics((), root=TREES / "v2-root")
        found = series(metrics.sample(NOW))
        metrics.sample(NOW)
    assert successes(found) == ALL_WELL | {"memory": 0}
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
    assert successes(found) == dict.fromkeys(SAMPLERS, 0) | {"volumes": 1}


@pytest.mark.parametrize("rubbish", [b"", b"\xff\xfe", b"a b c\n", b"usage_usec many\n"])
@pytest.mark.parametrize(
    ("name", "sampler"), [("cpu.stat", "cpu"), ("memory.current", "memory"), ("pids.max", "processes")]
)
def test_rubbish_in_a_file_is_a_zero(tmp_path, rubbish, name, sampler):
    tree = shutil.copytree(TREES / "v2-namespaced", tmp_path / "tree")
    (tree / "sys/fs/cgroup" / name).write_bytes(rubbish)
    assert successes(sampled(tree)) == ALL_WELL | {sampler: 0}


def test_a_group_that_moved_is_found_again(tmp_path):
    tree = shutil.copytree(TREES / "v2-host", tmp_path / "tree")
    metrics = PodMetrics((), root=tree)
    metrics.sample(NOW)
    (tree / "sys/fs/cgroup/kubepods/pod1" / OWN).rename(tree / "sys/fs/cgroup/kubepods/pod1/c9")
    (tree / "proc/self/cgroup").write_text("0::/kubepods/pod1/c9\n")
    metrics.sample(NOW)
    assert successes(series(metrics.sample(NOW))) == ALL_WELL


def test_the_machine_is_the_pods_only_where_that_was_said():
    assert ("container_memory_usage_bytes", "pod") not in sampled("v2-host")
    found = sampled("v2-host", own_kernel=True)
    assert found["container_memory_usage_bytes", "pod"] > found["container_memory_usage_bytes", "container"]
    assert found["container_cpu_usage_seconds_total", "pod"] > found["container_cpu_usage_seconds_total", "container"]
    assert found["container_oom_events_total", "pod"] == 1
    assert found["node_disk_read_bytes_total", "vda", "pod"] > 18 * MIB
    assert found["node_filefd_maximum", "pod"] > found["node_filefd_allocated", "pod"] >= 0
    assert found["node_load1", "pod"] > 0
    assert ("container_spec_memory_limit_bytes", "pod") not in found


@pytest.mark.parametrize(("annotations", "own"), [({"CapacityProvisioned": "0.25vCPU 0.5GB"}, True), ({}, False)])
def test_fargates_annotation_says_that_the_pod_has_a_kernel_of_its_own(annotations, own):
    pod = Pod(namespace="n", name="p", uid="u", annotations=annotations)
    assert has_own_kernel(pod) is own
    assert capacity_of(pod) == (Capacity(0.25, 512 * MIB) if own else None)


def test_what_fargate_gave_the_pod_is_the_pods_limit():
    found = sampled("v2-host", own_kernel=True, capacity=Capacity(0.25, 512 * MIB))
    assert found["towline_pod_capacity_cpu_cores", "pod"] == 0.25
    assert found["towline_pod_capacity_memory_bytes", "pod"] == 512 * MIB
    assert found["container_spec_memory_limit_bytes", "pod"] == 512 * MIB
    assert found["container_spec_cpu_quota", "pod"] / found["container_spec_cpu_period", "pod"] == 0.25


def test_a_container_with_a_name_says_it_on_its_own_series_only():
    families = PodMetrics((), root=TREES / "v1-container", container="towline").sample(NOW)
    named = {(s.labels.get("scope"), s.labels.get("container")) for f in families for s in f.samples}
    assert named == {("container", "towline"), ("container", None), ("pod", None), (None, None)}
    nameless = [s for f in families for s in f.samples if s.labels == {"scope": "container"}]
    assert nameless == []


def test_each_sampler_times_itself():
    ticks = iter(range(100))
    found = sampled("v2-host", clock=lambda: float(next(ticks)))
    assert {found["towline_sampler_duration_seconds", name] for name in SAMPLERS} == {1.0}


def test_no_family_has_a_series_twice_and_all_can_travel(tmp_path):
    options = {"own_kernel": True, "capacity": Capacity(1, MIB), "state_dir": tmp_path, "top_processes": 1}
    families = PodMetrics(["/"], root=TREES / "v2-host", **options).sample(NOW)
    assert len({f.name for f in families}) == len(families)
    assert {f.name for f in families} == FAMILIES.keys() - {"towline_volume_full_seconds", "towline_volume_files_bytes"}
    assert sum(len(f.samples) for f in families) == len(series(families))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(families))


def test_a_round_that_hangs_is_not_joined_by_another():
    metrics = PodMetrics((), root=TREES / "v2-host")
    with metrics._round:
        assert metrics.sample(NOW) == ()
    assert metrics.sample(NOW) != ()


def test_this_very_machine_can_be_sampled_cheaply():
    metrics = PodMetrics(["/var/log"], own_kernel=True)
    found = series(metrics.sample(NOW))
    for name in ("network", "volumes", "uptime", "disk", "pressure"):
        assert found["towline_sampler_success", name] == 1
    started = time.process_time()
    for _ in range(20):
        metrics.sample(NOW)
    assert (time.process_time() - started) / 20 <= 0.002 * 15  # two thousandths of a core at 15 s


def test_all_samplers_together_take_little_memory():
    code = (
        "import collector.sampling, collector.link\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "before = resident()\n"
        "from collector.sources.samplers.pod_metrics import PodMetrics\n"
        "metrics = PodMetrics(['/var/log'], own_kernel=True)\n"
        "for _ in range(50): metrics.sample(1)\n"
        "print(resident() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) <= 3_000_000
