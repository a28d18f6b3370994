from pathlib import Path

import pytest

from collector.core.cgroup import Mount, Place, locate, locate_other, parse_memberships, parse_mounts

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
OWN = "1b35060c33bd673408add98a1e47d4b5e7916e529207c38100b39af08358444f"
OTHER = "17c9806e2f789e7654fc220254a3eb6dab6910eb9d6c44506ed1479c695f50f8"


def recorded(tree: str, path: str) -> str:
    return (TREES / tree / path).read_text(encoding="ascii")


def mounts(tree: str) -> list[Mount]:
    return parse_mounts(recorded(tree, "proc/self/mountinfo"))


@pytest.mark.parametrize(
    ("tree", "controller", "expected"),
    [
        ("v1-container", "memory", Place("/sys/fs/cgroup/memory", 1)),
        ("v1-container", "cpuacct", Place("/sys/fs/cgroup/cpu,cpuacct", 1)),
        ("v2-host", "memory", Place(f"/sys/fs/cgroup/kubepods/pod1/{OWN}", 2)),
        ("v2-namespaced", "memory", Place("/sys/fs/cgroup", 2)),
        ("hybrid", "memory", Place(f"/sys/fs/cgroup/memory/towline-recording/{OWN}", 1)),
        ("hybrid", "cpuacct", Place(f"/sys/fs/cgroup/cpuacct/towline-recording/{OWN}", 1)),
        ("hybrid", "hugetlb", Place("/sys/fs/cgroup/unified", 2)),
        ("v1-container", "hugetlb", None),
    ],
)
def test_the_own_group_is_found_wherever_the_runtime_mounted_it(tree, controller, expected):
    assert locate(controller, parse_memberships(recorded(tree, "proc/self/cgroup")), mounts(tree)) == expected


@pytest.mark.parametrize(
    ("tree", "path", "expected"),
    [
        ("v2-host", f"/kubepods/pod1/{OTHER}", Place(f"/sys/fs/cgroup/kubepods/pod1/{OTHER}", 2)),
        ("v2-namespaced", f"/../{OTHER}", None),
        ("v1-container", f"/kubepods/pod1/{OTHER}", None),
    ],
)
def test_another_group_is_found_only_where_it_is_mounted(tree, path, expected):
    controller = "memory" if tree.startswith("v1") else ""
    assert locate_other("memory", {controller: path}, mounts(tree)) == expected


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
