from pathlib import Path

import pytest

from collector.core.procfs import machine_memory, parse_cpu_seconds, parse_meminfo, parse_net_dev

PROC = Path(__file__).parent.parent / "fixtures" / "cgroup" / "v2-host" / "proc"
HEADER = "Inter-|   Receive\n face |bytes\n"


def test_interfaces_are_counted_without_loopback():
    found = {interface.name: interface for interface in parse_net_dev((PROC / "net/dev").read_text())}
    assert found.keys() == {"dummy0", "eth0"}
    assert (found["eth0"].receive_bytes, found["eth0"].transmit_bytes, found["eth0"].transmit_packets) == (0, 336, 4)


def test_each_column_has_its_own_counter():
    numbers = " ".join(str(number) for number in range(1, 17))
    (found,) = parse_net_dev(f"{HEADER}  eth0:{numbers}\n")
    assert (found.receive_bytes, found.receive_packets, found.receive_errors, found.receive_dropped) == (1, 2, 3, 4)
    assert (found.transmit_bytes, found.transmit_packets, found.transmit_errors, found.transmit_dropped) == (
        9,
        10,
        11,
        12,
    )


def test_an_alias_keeps_its_colon():
    (found,) = parse_net_dev(f"{HEADER}eth0:1: {'0 ' * 16}\n")
    assert found.name == "eth0:1"


def test_a_short_row_is_an_error():
    with pytest.raises(ValueError, match="2 columns for eth0"):
        parse_net_dev(f"{HEADER}eth0: 1 2\n")


def test_a_machines_work_leaves_out_waiting_and_what_guests_count_twice():
    assert parse_cpu_seconds("cpu  100 20 30 9999 888 4 6 777 50 5\ncpu0 1 1 1 1 1 1 1 1 1 1\n", 100) == 1.6


def test_no_line_of_all_cpus_is_an_error():
    with pytest.raises(ValueError, match="no line of all CPUs"):
        parse_cpu_seconds("cpu0 1 2 3\n", 100)


def test_kib_are_bytes_and_plain_counts_are_left_out():
    assert parse_meminfo("MemTotal:  2 kB\nHugePages_Total:   7\n") == {"MemTotal": 2048}


def test_a_machines_memory_is_what_is_not_free():
    meminfo = parse_meminfo((PROC / "meminfo").read_text())
    used = machine_memory(meminfo)
    assert used.usage == meminfo["MemTotal"] - meminfo["MemFree"]
    assert used.usage - used.working_set == meminfo["Inactive(file)"]
    assert used.limit is None
