import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.siblings import CpuBook, Seen, Sibling, group_siblings, sibling_id
from collector.sources.samplers.pod_metrics import PodMetrics

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
A, B, OURS = "a" * 64, "b" * 64, "0" * 64
OTHER = "17c9806e2f789e7654fc220254a3eb6dab6910eb9d6c44506ed1479c695f50f8"
NOW = 1_800_000_000_000_000_000


def seen(pid=7, name="web", ticks=100, start=50):
    return Seen(pid=pid, name=name, cpu_ticks=ticks, threads=2, start_ticks=start)


def sibling(*members, container_id=A):
    return Sibling(id=container_id, process=members[0].name, members=members, memberships={})


@pytest.mark.parametrize(
    ("own", "other", "found"),
    [
        (f"/kubepods/pod1/{OURS}", f"/kubepods/pod1/{A}", A),
        (f"/kubepods/pod1/{OURS}", f"/kubepods/pod1/{A}/deeper", A),
        ("/", f"/../{A}", A),
        ("/", f"/../cri-containerd-{A}.scope", A),
        (f"/k.slice/crio-{OURS}.scope", f"/k.slice/crio-{A}.scope", A),
        ("/ecs/task/" + "1" * 32 + "-1", "/ecs/task/" + "2" * 32 + "-265927825", "2" * 32 + "-265927825"),
        (f"/kubepods/pod1/{OURS}", f"/kubepods/pod1/{OURS}", ""),
        (
            f"/kubepods/pod1/{OURS}",
            f"/kubepods/pod2/{A}",
            "",
        ),  # another pod's: all processes of a machine are to be seen
        (f"/kubepods/pod1/{OURS}", "/kubepods/pod1/init.scope", ""),
        ("/", "/", ""),
        ("/", f"/{A}", ""),  # below us, not beside us
        ("/user.slice/one.scope", "/user.slice/two.scope", ""),
        ("/", "/../../..", ""),
    ],
)
def test_a_sibling_lies_beside_us_and_is_named_by_a_containers_id(own, other, found):
    assert sibling_id(own, other) == found


def test_a_container_is_called_by_its_oldest_process_and_the_one_that_pauses_is_none():
    rows = [
        (B, {}, seen(9, "worker", start=70)),
        (B, {}, seen(8, "nginx", start=60)),
        (A, {}, seen(1, "pause", start=10)),
    ]
    (found,) = group_siblings(rows)
    assert (found.id, found.process, len(found.members)) == (B, "nginx", 2)


def test_there_is_an_end_to_how_many_are_followed():
    rows = [(f"{number:064x}", {}, seen(number)) for number in range(100)]
    assert len(group_siblings(rows)) == 20


def test_cpu_counts_from_the_first_look():
    book = CpuBook()
    assert book.advance([sibling(seen(ticks=500))]) == {A: 0}
    assert book.advance([sibling(seen(ticks=530))]) == {A: 30}


def test_a_process_that_began_meanwhile_counts_whole_and_one_that_ended_leaves_what_it_used():
    book = CpuBook()
    book.advance([sibling(seen(ticks=500))])
    book.advance([sibling(seen(ticks=510), seen(8, ticks=40))])
    assert book.advance([sibling(seen(8, ticks=41))]) == {A: 51}


def test_a_process_id_that_is_used_again_is_another_process():
    book = CpuBook()
    book.advance([sibling(seen(ticks=500))])
    assert book.advance([sibling(seen(ticks=5, start=900))]) == {A: 5}


@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 50)), max_size=4), max_size=8))
def test_cpu_never_runs_backwards(rounds):
    book, last, used = CpuBook(), 0, {}
    for number, grown in enumerate(rounds):
        for pid, ticks in grown:
            used[pid] = used.get(pid, 0) + ticks
        members = [seen(pid, ticks=used[pid]) for pid, _ in dict(grown).items()] or [seen(99, ticks=number)]
        total = book.advance([sibling(*members)])[A]
        assert total >= last
        last = total


def of_other(families):
    return {f.name: s.value for f in families for s in f.samples if s.labels.get("container_id") == OTHER[:12]}


@pytest.mark.parametrize("tree", ["v1-container", "v2-namespaced"])
def test_a_container_whose_group_is_not_mounted_is_known_by_its_processes(tree):
    metrics = PodMetrics((), root=TREES / tree)
    found = of_other(metrics.sample(NOW))
    assert found.keys() == {
        "container_cpu_usage_seconds_total",
        "container_memory_rss",
        "container_processes",
        "container_threads",
        "container_file_descriptors",
    }
    assert found["container_processes"] >= 2
    assert found["container_memory_rss"] > 0
    assert found["container_cpu_usage_seconds_total"] == 0


def test_a_container_whose_group_can_be_read_says_all_that_ours_does():
    families = PodMetrics((), root=TREES / "v2-host").sample(NOW)
    found = of_other(families)
    ours = {f.name for f in families for s in f.samples if s.labels.get("scope") == "container"}
    of_us_alone = {
        "container_last_seen",
        "container_start_time_seconds",
        "towline_collector_uptime_seconds",
        "container_spec_cpu_quota",  # it has no limits
        "container_spec_memory_limit_bytes",
        "container_threads_max",
    }
    assert found.keys() == ours - of_us_alone
    assert found["container_memory_working_set_bytes"] > 0
    (process,) = {s.labels["process"] for f in families for s in f.samples if "container_id" in s.labels}
    assert process == "sleep"


def test_a_container_that_ends_while_we_look_costs_the_others_nothing(tmp_path):
    tree = shutil.copytree(TREES / "v2-host", tmp_path / "tree")
    metrics = PodMetrics((), root=tree)
    metrics.sample(NOW)
    folder = tree / "sys/fs/cgroup/kubepods/pod1" / OTHER
    for file in folder.iterdir():
        file.unlink()
    families = metrics.sample(NOW)
    assert of_other(families).keys() == {"container_file_descriptors"}
    assert all(s.value for f in families if f.name == "towline_sampler_success" for s in f.samples)


def test_a_container_keeps_its_name_when_its_entry_point_becomes_something_else(tmp_path):
    tree = shutil.copytree(TREES / "v2-namespaced", tmp_path / "tree")
    metrics = PodMetrics((), root=tree)
    first = {str(s.labels) for f in metrics.sample(NOW) for s in f.samples if "container_id" in s.labels}
    for stat in tree.glob("proc/[0-9]*/stat"):
        before, _, after = stat.read_text().partition("(")
        stat.write_text(f"{before}(nginx){after.partition(')')[2]}")
    assert {str(s.labels) for f in metrics.sample(NOW) for s in f.samples if "container_id" in s.labels} == first


def test_without_other_processes_there_are_no_siblings(tmp_path):
    tree = shutil.copytree(TREES / "v2-namespaced", tmp_path / "tree")
    for folder in tree.glob("proc/[0-9]*"):
        shutil.rmtree(folder)
    assert of_other(PodMetrics((), root=tree).sample(NOW)) == {}
