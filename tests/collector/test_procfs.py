import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core import procfs

TREES = Path(__file__).parent.parent / "fixtures" / "cgroup"
PROC = TREES / "v2-host" / "proc"
HEADER = "Inter-|   Receive\n face |bytes\n"


def test_interfaces_are_counted_without_loopback():
    found = {interface.name: interface for interface in procfs.parse_net_dev((PROC / "net/dev").read_text())}
    assert found.keys() == {"dummy0", "eth0"}
    assert (found["eth0"].receive_bytes, found["eth0"].transmit_bytes, found["eth0"].transmit_packets) == (0, 406, 5)


def test_each_column_has_its_own_counter():
    numbers = " ".join(str(number) for number in range(1, 17))
    (found,) = procfs.parse_net_dev(f"{HEADER}  eth0:{numbers}\n")
    assert (found.receive_bytes, found.receive_packets, found.receive_errors, found.receive_dropped) == (1, 2, 3, 4)
    transmitted = (found.transmit_bytes, found.transmit_packets, found.transmit_errors, found.transmit_dropped)
    assert transmitted == (9, 10, 11, 12)


def test_an_alias_keeps_its_colon():
    (found,) = procfs.parse_net_dev(f"{HEADER}eth0:1: {'0 ' * 16}\n")
    assert found.name == "eth0:1"


def test_a_short_row_is_an_error():
    with pytest.raises(ValueError, match="2 columns for eth0"):
        procfs.parse_net_dev(f"{HEADER}eth0: 1 2\n")


def test_a_machines_work_leaves_out_waiting_and_what_guests_count_twice():
    seconds = procfs.parse_cpu_seconds("cpu  100 20 30 9999 888 4 6 777 50 5\ncpu0 1 1 1 1 1 1 1 1 1 1\n", 100)
    assert (seconds.user, seconds.system, seconds.total) == (1.2, 0.4, pytest.approx(1.6))


def test_no_line_of_all_cpus_is_an_error():
    with pytest.raises(ValueError, match="no line of all CPUs"):
        procfs.parse_cpu_seconds("cpu0 1 2 3\n", 100)


def test_boot_is_said_once():
    assert procfs.parse_boot_time((PROC / "stat").read_text()) > 1_700_000_000
    with pytest.raises(ValueError, match="no btime"):
        procfs.parse_boot_time("cpu 1 2 3\n")


def test_kib_are_bytes_and_plain_counts_are_left_out():
    assert procfs.parse_meminfo("MemTotal:  2 kB\nHugePages_Total:   7\n") == {"MemTotal": 2048}


def test_a_machines_memory_is_what_is_not_free():
    meminfo = procfs.parse_meminfo((PROC / "meminfo").read_text())
    used = procfs.machine_memory(meminfo, (PROC / "vmstat").read_text())
    assert used.usage == meminfo["MemTotal"] - meminfo["MemFree"]
    assert used.usage - used.working_set == meminfo["Inactive(file)"]
    assert used.limit is None
    assert used.oom_kills == 1  # in the group of our own, by its limit: it is seen from outside too
    assert used.page_faults > used.major_page_faults


def test_a_kernel_that_counts_no_oom_kills_says_none():
    meminfo = procfs.parse_meminfo((PROC / "meminfo").read_text())
    assert procfs.machine_memory(meminfo, "").oom_kills is None


def test_disks_are_whole_disks_that_were_used():
    disks = procfs.parse_diskstats((TREES / "hybrid/proc/diskstats").read_text())
    assert [(disk.number, disk.name, disk.is_whole) for disk in disks] == [("254:0", "vda", True)]
    (disk,) = procfs.parse_diskstats("8 0 sda 1 2 30 4 5 6 70 8 9 1500 11 0 0 0 0 0 0\n")
    assert (disk.reads, disk.read_bytes, disk.writes, disk.written_bytes) == (1, 30 * 512, 5, 70 * 512)
    assert disk.busy_seconds == 1.5


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [
        ("nvme0n1", True),
        ("nvme0n1p1", False),
        ("xvda", True),
        ("xvda1", False),
        ("loop3", False),
        ("ram0", False),
        ("dm-0", True),
    ],
)
def test_a_part_of_a_disk_and_memory_are_no_disks(name, is_whole):
    (disk,) = procfs.parse_diskstats(f"8 0 {name} 1 0 0 0 0 0 0 0 0 0 0\n")
    assert disk.is_whole is is_whole


def test_pressure_is_the_total_of_some_and_of_all_tasks():
    text = "some avg10=2.93 avg60=5.60 avg300=3.40 total=2489289935\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    assert procfs.parse_stall(text) == procfs.Stall(2489.289935, 0.000007)


def test_an_old_kernel_does_not_say_whether_every_task_waited_for_cpu():
    assert procfs.parse_stall("some avg10=0 avg60=0 avg300=0 total=1000000\n") == procfs.Stall(1.0, None)


def test_a_process_name_may_hold_brackets_and_blanks():
    after = "S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 3 0 500 1 2"
    found = procfs.parse_process_stat(f"42 (a) b (c) {after}\n")
    assert found == procfs.ProcessStat(name="a) b (c", cpu_ticks=42, threads=3, start_ticks=500)


def test_a_recorded_process():
    found = procfs.parse_process_stat((PROC / "1/stat").read_text())
    assert (found.name, found.threads) == ("init", 1)


def test_anonymous_memory_is_what_is_resident_without_what_is_shared():
    assert procfs.parse_anonymous_pages("1000 300 100 5 0 200 0\n") == 200


def test_load_and_open_files():
    assert procfs.parse_load("2.14 1.00 0.50 3/412 12345\n") == (2.14, 1.0, 0.5)
    assert procfs.parse_file_nr("1104\t0\t2466170\n") == (1104, 2466170)


@given(st.text(alphabet="cpu btimesomfl=total()0123 :\n-.", max_size=80))
def test_rubbish_is_a_value_error_or_a_key_error_and_never_anything_else(text):
    parsers = (
        procfs.parse_net_dev,
        procfs.parse_boot_time,
        procfs.parse_meminfo,
        procfs.parse_diskstats,
        procfs.parse_stall,
        procfs.parse_load,
        procfs.parse_file_nr,
        procfs.parse_process_stat,
        procfs.parse_anonymous_pages,
        lambda text: procfs.parse_cpu_seconds(text, 100),
    )
    for parse in parsers:
        with contextlib.suppress(ValueError, KeyError):
            parse(text)
