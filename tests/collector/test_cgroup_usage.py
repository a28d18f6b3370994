import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core import cgroup_usage as usage

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
OWN = "1b35060c33bd673408add98a1e47d4b5e7916e529207c38100b39af08358444f"
GIB = 1 << 30
MIB = 1 << 20
FOLDERS = {
    "v1-container": "sys/fs/cgroup/{controller}",
    "hybrid": f"sys/fs/cgroup/{{controller}}/towline-recording/{OWN}",
    "v2-host": f"sys/fs/cgroup/kubepods/pod1/{OWN}",
    "v2-namespaced": "sys/fs/cgroup",
}


def texts(tree, controller, names):
    folder = TREES / tree / FOLDERS[tree].format(controller=controller)
    return {name: (folder / name).read_text() for name in names if (folder / name).exists()}


def cpu_of(tree):
    if tree.startswith("v2"):
        return usage.cpu_v2(texts(tree, "", usage.CPU_V2))
    controllers = ("cpu,cpuacct", "cpu,cpuacct") if tree == "v1-container" else ("cpu", "cpuacct")
    found = texts(tree, controllers[0], usage.CPU_V1) | texts(tree, controllers[1], usage.CPUACCT_V1)
    return usage.cpu_v1(found, ticks_per_second=100)


def memory_of(tree):
    if tree.startswith("v2"):
        return usage.memory_v2(texts(tree, "", usage.MEMORY_V2), GIB)
    return usage.memory_v1(texts(tree, "memory", usage.MEMORY_V1), GIB)


@pytest.mark.parametrize("tree", FOLDERS)
def test_cpu_of_every_version_means_the_same(tree):
    used = cpu_of(tree)
    assert 0.2 < used.usage_seconds < 20
    assert used.user_seconds + used.system_seconds == pytest.approx(used.usage_seconds, rel=0.2, abs=0.1)
    assert used.periods >= used.throttled_periods > 0
    assert 0.5 < used.throttled_seconds < 60
    assert (used.quota_us, used.period_us) == (25_000, 100_000)


def test_v2_without_the_cpu_controller_says_nothing_of_throttling_or_a_quota():
    used = usage.cpu_v2({"cpu.stat": "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\n"})
    assert (used.usage_seconds, used.user_seconds, used.system_seconds) == (5, 4, 1)
    assert {used.periods, used.throttled_periods, used.throttled_seconds, used.quota_us, used.period_us} == {None}


@pytest.mark.parametrize("texts", [{"cpu.max": "max 100000\n"}, {}])
def test_no_quota_is_none(texts):
    assert usage.cpu_v2({"cpu.stat": "usage_usec 1\n"} | texts).quota_us is None


def test_a_quota_of_minus_one_is_none_in_v1():
    texts = {"cpu.stat": "", "cpuacct.usage": "1", "cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}
    used = usage.cpu_v1(texts, 100)
    assert (used.quota_us, used.period_us) == (None, 100_000)


@pytest.mark.parametrize("tree", FOLDERS)
def test_memory_of_every_version_means_the_same(tree):
    used = memory_of(tree)
    assert used.limit == 64 * MIB
    assert used.oom_kills == 1  # of the recording's process that asked for 90 MiB
    assert used.limit_hits > 0
    assert used.usage <= used.peak <= 64 * MIB
    assert 0 < used.rss < used.working_set <= used.usage
    assert used.page_faults > used.major_page_faults >= 0


@pytest.mark.parametrize("tree", ["v1-container", "v2-host", "v2-namespaced"])
def test_a_file_that_was_read_once_is_not_in_the_working_set(tree):
    used = memory_of(tree)
    assert used.usage - used.working_set == 9 * MIB
    assert used.cache >= 9 * MIB


def test_the_working_set_is_never_negative():
    texts = {"memory.current": "100", "memory.stat": "anon 0\ninactive_file 200\n", "memory.max": "max"}
    assert usage.memory_v2(texts, GIB).working_set == 0


def test_an_old_kernel_says_less():
    texts = {"memory.current": "1", "memory.stat": "anon 0\ninactive_file 0\n", "memory.max": "max"}
    used = usage.memory_v2(texts, GIB)
    assert {used.peak, used.swap, used.oom_kills, used.limit_hits, used.page_faults, used.limit} == {None}


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("max\n", None),
        ("9223372036854771712\n", None),
        (f"{1 << 60}\n", None),
        (f"{2 * GIB}\n", None),
        (f"{GIB}\n", GIB),
        ("0\n", 0),
    ],
)
def test_a_limit_that_cannot_be_reached_is_none(text, limit):
    assert usage.parse_limit(text, GIB) == limit


def test_io_of_both_versions_means_the_same():
    (first,) = usage.io_v1(texts("v1-container", "blkio", usage.IO_V1))
    (second,) = usage.io_v2(texts("v2-host", "", usage.IO_V2))
    for moved in (first, second):
        assert moved.device == "254:0"
        assert 9 * MIB <= moved.read_bytes < 10 * MIB
        assert 9 <= moved.reads < 1000
    assert second.written_bytes == 9 * MIB  # v1 does not know whose page cache is written back


def test_a_v1_group_that_the_kernel_does_not_count_has_no_device():
    assert usage.io_v1(texts("hybrid", "blkio", usage.IO_V1)) == []


def test_a_device_without_numbers_is_left_out():
    assert usage.io_v2({"io.stat": "253:0 \n254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"}) == [
        usage.DeviceIo(device="254:0", read_bytes=1, written_bytes=2, reads=3, writes=4)
    ]


@pytest.mark.parametrize(("text", "limit"), [("max\n", None), ("64\n", 64)])
def test_a_limit_of_tasks(text, limit):
    assert usage.parse_task_limit(text) == limit


PARSERS = (
    lambda text: usage.cpu_v1(dict.fromkeys((*usage.CPU_V1, *usage.CPUACCT_V1), text), 100),
    lambda text: usage.cpu_v2(dict.fromkeys(usage.CPU_V2, text)),
    lambda text: usage.memory_v1(dict.fromkeys(usage.MEMORY_V1, text), GIB),
    lambda text: usage.memory_v2(dict.fromkeys(usage.MEMORY_V2, text), GIB),
    lambda text: usage.io_v1(dict.fromkeys(usage.IO_V1, text)),
    lambda text: usage.io_v2(dict.fromkeys(usage.IO_V2, text)),
)


@given(st.text(alphabet="ab_ 01:=\n-.", max_size=60))
def test_rubbish_is_a_value_error_or_a_key_error_and_never_anything_else(text):
    for parse in PARSERS:
        with contextlib.suppress(ValueError, KeyError):
            parse(text)


@pytest.mark.parametrize("text", ["", "usage_usec", "usage_usec x"])
def test_a_file_that_is_not_what_it_should_be_is_an_error_not_a_number(text):
    with pytest.raises((ValueError, KeyError)):
        usage.cpu_v2({"cpu.stat": text})
