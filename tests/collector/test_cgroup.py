from pathlib import Path

import pytest

from collector.core.cgroup import (
    Mount,
    Place,
    cpu_v1,
    cpu_v2,
    locate,
    memory_v1,
    memory_v2,
    parse_limit,
    parse_memberships,
    parse_mounts,
)

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
GIB = 1 << 30


def recorded(tree: str, path: str) -> str:
    return (TREES / tree / path).read_text(encoding="ascii")


def place(tree: str, controller: str) -> Place | None:
    memberships = parse_memberships(recorded(tree, "proc/self/cgroup"))
    return locate(controller, memberships, parse_mounts(recorded(tree, "proc/self/mountinfo")))


@pytest.mark.parametrize(
    ("tree", "controller", "expected"),
    [
        ("v1-container", "memory", Place("/sys/fs/cgroup/memory", 1)),
        ("v1-container", "cpuacct", Place("/sys/fs/cgroup/cpu,cpuacct", 1)),
        ("v2-host", "memory", Place("/sys/fs/cgroup/kubepods/pod1/c1", 2)),
        ("v2-namespaced", "memory", Place("/sys/fs/cgroup", 2)),
        ("hybrid", "memory", Place("/sys/fs/cgroup/memory/recorded", 1)),
        ("hybrid", "cpuacct", Place("/sys/fs/cgroup/cpuacct", 1)),
        ("hybrid", "hugetlb", Place("/sys/fs/cgroup/unified", 2)),
        ("v1-container", "hugetlb", None),
    ],
)
def test_the_own_group_is_found_wherever_the_runtime_mounted_it(tree, controller, expected):
    assert place(tree, controller) == expected


@pytest.mark.parametrize(
    ("path", "root", "folder"),
    [
        ("/a/b", "/a/b", "/cg"),
        ("/a/b", "/a", "/cg/b"),
        ("/a/b", "/", "/cg/a/b"),
        ("/ab", "/a", "/cg"),  # a name that merely begins alike is another group
        ("/../other", "/", "/cg"),  # outside our cgroup namespace
        ("/", "/../..", "/cg"),
    ],
)
def test_the_path_in_a_mount_is_what_lies_below_the_mounts_root(path, root, folder):
    assert locate("cpu", {"cpu": path}, [Mount("/cg", root, frozenset({"cpu"}))]) == Place(folder, 1)


def test_a_mount_point_with_blanks_is_unescaped():
    line = r"32 31 0:29 / /sys/fs/my\040cg\134x rw - cgroup cgroup rw,cpu"
    assert parse_mounts(line)[0].point == r"/sys/fs/my cg\x"


def test_a_group_path_may_hold_colons():
    assert parse_memberships("0::/kubepods/cri-containerd:abc") == {"": "/kubepods/cri-containerd:abc"}


def test_v1_counts_nanoseconds():
    folder = "sys/fs/cgroup/cpu,cpuacct"
    used = cpu_v1(
        recorded("v1-container", f"{folder}/cpuacct.usage"),
        recorded("v1-container", f"{folder}/cpu.stat"),
    )
    assert used.usage_seconds == pytest.approx(1.0, abs=0.5)
    assert used.periods > used.throttled_periods > 0
    assert used.throttled_seconds == pytest.approx(3.0, abs=1.0)  # of about four seconds, three quarters


def test_v2_counts_microseconds():
    used = cpu_v2(recorded("v2-host", "sys/fs/cgroup/kubepods/pod1/c1/cpu.stat"))
    assert used.usage_seconds == pytest.approx(1.0, abs=0.5)
    assert used.periods >= used.throttled_periods > 0
    assert used.throttled_seconds == pytest.approx(3.0, abs=1.0)


def test_v2_without_the_cpu_controller_says_nothing_of_throttling():
    used = cpu_v2(recorded("hybrid", "sys/fs/cgroup/unified/cpu.stat"))
    assert used.usage_seconds > 0
    assert (used.periods, used.throttled_periods, used.throttled_seconds) == (None, None, None)


def test_memory_of_both_versions_means_the_same():
    v1, v2 = "sys/fs/cgroup/memory", "sys/fs/cgroup/kubepods/pod1/c1"
    first = memory_v1(
        recorded("v1-container", f"{v1}/memory.usage_in_bytes"),
        recorded("v1-container", f"{v1}/memory.stat"),
        recorded("v1-container", f"{v1}/memory.limit_in_bytes"),
        GIB,
    )
    second = memory_v2(
        recorded("v2-host", f"{v2}/memory.current"),
        recorded("v2-host", f"{v2}/memory.stat"),
        recorded("v2-host", f"{v2}/memory.max"),
        GIB,
    )
    for used in (first, second):
        assert used.limit == 64 << 20
        assert used.usage - used.working_set == 9 << 20  # the file that was read once, and not again
        assert 0 < used.rss < used.working_set


def test_the_working_set_is_never_negative():
    assert memory_v2("100", "anon 0\ninactive_file 200\n", "max", GIB).working_set == 0


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
    assert parse_limit(text, GIB) == limit


@pytest.mark.parametrize("text", ["", "usage_usec", "usage_usec x"])
def test_a_file_that_is_not_what_it_should_be_is_an_error_not_a_number(text):
    with pytest.raises((ValueError, KeyError)):
        cpu_v2(text)
