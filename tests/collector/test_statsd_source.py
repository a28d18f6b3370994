"""DogStatsD's sockets and thread: the real ones, on 127.0.0.1 and in a folder."""

import contextlib
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
import structlog

from collector.sources.datagrams import SLOT_BYTES, SLOTS
from collector.sources.dogstatsd import DogStatsD
from collector.sources.dogstatsd_options import DogStatsDConfig
from collector.sources.statsd_reader import nap_ms_of
from tests.e2e.procs import wait_until

NOW_UNIX_NS = 1_700_000_000 * 10**9
WAIT_SECONDS = 10


@contextlib.contextmanager
def reading(**options):
    one = DogStatsD(DogStatsDConfig(**({"listen": "127.0.0.1:0"} | options)))
    one.start()
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def statsd():
    with reading() as one:
        yield one


@contextlib.contextmanager
def sending(to):
    """A socket connected to `to`: an address, or a path."""
    kind = socket.AF_UNIX if isinstance(to, str) else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as sender:
        sender.connect(to)
        yield sender


def send(to, *datagrams):
    with sending(to) as sender:
        for datagram in datagrams:
            sender.send(datagram)


def values(gathered):
    return {family.name: family.samples[0].value for family in gathered.families if family.samples}


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def gather(statsd, *, fresh=True):
    return statsd.gather(NOW_UNIX_NS, fresh=fresh)


def test_what_was_sent_before_is_gathered(statsd):
    for number in range(1, 20):
        send(statsd.address, b"a:1|c", b"b:2|g\nc:3|c")
        assert values(gather(statsd)) == {"a": number, "b": 2, "c": 3 * number}
    assert (statsd.packets, statsd.samples, statsd.refused) == (38, 57, {})


def test_little_traffic_is_read_one_by_one_though_nobody_asks(statsd):
    for number in range(1, 4):
        send(statsd.address, b"a:1|c")
        wait_until(lambda number=number: statsd.packets == number, WAIT_SECONDS, "the datagram to be read")
    assert values(gather(statsd)) == {"a": 3}


@pytest.mark.parametrize(("buffer_bytes", "nap_ms"), [(0, 2), (212_992, 2), (425_984, 5), (8 << 20, 20)])
def test_udp_is_left_to_its_buffer_for_no_longer_than_a_burst_finds_room(buffer_bytes, nap_ms):
    assert nap_ms_of(buffer_bytes) == nap_ms


def test_more_than_a_batch_is_gathered_whole(statsd):
    send(statsd.address, *[b"a:1|c"] * (5 * SLOTS + 3))
    assert values(gather(statsd)) == {"a": 5 * SLOTS + 3}


def test_an_event_without_a_time_has_the_one_it_came_at(statsd):
    before = int(time.time())
    send(statsd.address, b"_e{1,1}:t|x")
    (event,) = gather(statsd).events
    assert before <= event.unix_seconds <= time.time()


def test_a_malformed_datagram_is_counted_and_its_neighbours_are_not_hurt(statsd):
    send(statsd.address, b"a:1|c", b"\0\xff" * 700, b"", b"a:1|c\nrubbish\na:1|c", b"a:1|c")
    assert values(gather(statsd)) == {"a": 4}
    assert statsd.refused == {"form": 2}
    assert statsd.packets == 5


def test_the_longest_datagram_is_read_whole(statsd):
    line = b"a:1|c\n"
    lines = 65_507 // len(line)
    send(statsd.address, line * lines)
    assert values(gather(statsd)) == {"a": lines}


def test_a_unix_socket_is_read_as_well_and_any_user_may_write_to_it(tmp_path):
    path = str(tmp_path / "dsd.socket")
    with reading(socket=path) as statsd:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o666  # noqa: PTH116 - a socket, not a file
        send(path, b"a:1|c")
        send(statsd.address, b"a:1|c")
        assert values(gather(statsd)) == {"a": 2}
        assert statsd.listeners == 2
    assert not os.path.lexists(path)


def test_a_sender_that_waits_loses_nothing_through_a_unix_socket(tmp_path):
    path = str(tmp_path / "dsd.socket")
    with reading(listen="", socket=path) as statsd:
        send(path, *[b"a:1|c"] * 5000)
        assert values(gather(statsd)) == {"a": 5000}
        assert (statsd.listeners, statsd.address) == (1, ("", 0))


def test_a_unix_datagram_that_is_too_long_is_counted_as_cut(tmp_path):
    path = str(tmp_path / "dsd.socket")
    with reading(listen="", socket=path) as statsd:
        send(path, b"a:1|c\n" + b"x" * SLOT_BYTES, b"a:1|c")
        assert values(gather(statsd)) == {"a": 2}
        assert statsd.refused == {"truncated": 1, "form": 1}


def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path):
    path = str(tmp_path / "dsd.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(path)
    with reading(listen="", socket=path) as statsd:
        send(path, b"a:1|c")
        assert values(gather(statsd)) == {"a": 1}


def test_a_socket_that_somebody_reads_is_left_to_them(tmp_path):
    path = str(tmp_path / "dsd.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs:
        theirs.bind(path)
        with reading(socket=path) as statsd:
            assert (statsd.listeners, statsd.refused_sockets) == (1, 1)
            send(statsd.address, b"a:1|c")
            assert values(gather(statsd)) == {"a": 1}
        send(path, b"theirs")
        assert theirs.recv(100) == b"theirs"


def test_a_file_in_the_socket_s_place_is_not_touched(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with reading(listen="", socket=str(path)) as statsd:
        assert (statsd.listeners, statsd.refused_sockets) == (0, 1)
    assert path.read_text() == "data"


def test_a_port_in_use_is_counted_and_stops_nothing(statsd):
    host, port = statsd.address
    with reading(listen=f"{host}:{port}") as second:
        assert (second.listeners, second.refused_sockets) == (0, 1)
        assert gather(second).families == ()
        assert second.refused_sockets == 2
        assert second.kernel_drops == 0


def test_a_port_in_use_is_said_once_and_taken_when_it_is_free(statsd, tmp_path):
    host, port = statsd.address
    path = str(tmp_path / "dsd.socket")
    with structlog.testing.capture_logs() as said, reading(listen=f"{host}:{port}", socket=path) as second:
        send(path, b"a:1|c")
        assert [values(gather(second)) for _ in range(3)] == [{"a": 1}] * 3
        assert (second.listeners, second.refused_sockets) == (1, 4)
        statsd.close()
        send(path, b"a:1|c")
        assert values(gather(second)) == {"a": 2}
        send(second.address, b"a:1|c")
        assert values(gather(second)) == {"a": 3}
        assert (second.listeners, second.refused_sockets, second.address) == (2, 4, (host, port))
    refused = [one for one in said if one["event"] == "dogstatsd_socket_refused"]
    assert [(one["path"], one["reason"]) for one in refused] == [(f"{host}:{port}", "Address already in use")]
    assert [one["event"] for one in said].count("dogstatsd_socket_opened") == 2


def test_what_was_closed_is_not_opened_again():
    with reading() as statsd:
        pass
    gather(statsd)
    assert (statsd.listeners, statsd.reader) == (0, None)


def test_ipv6_is_listened_to():
    with reading(listen="[::1]:0") as statsd:
        if not statsd.listeners:
            pytest.skip("this machine has no IPv6")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"a:1|c", statsd.address)
        assert values(gather(statsd)) == {"a": 1}


def test_what_was_not_gathered_before_the_end_still_can_be(statsd):
    send(statsd.address, *[b"a:1|c"] * 100)
    statsd.close()
    assert values(gather(statsd)) == {"a": 100}
    statsd.close()


def test_without_a_start_there_is_nothing_to_gather():
    one = DogStatsD(DogStatsDConfig())
    assert gather(one).families == ()
    one.close()


def test_what_the_kernel_drops_is_counted():
    with reading(receive_buffer_bytes=4096) as statsd:
        sent = 0
        with sending(statsd.address) as sender:
            while not statsd.kernel_drops:
                for _ in range(1000):
                    sender.send(b"a:1|c")
                sent += 1000
        read = values(gather(statsd))["a"]
        assert read + statsd.kernel_drops == sent
        drops = statsd.kernel_drops
        statsd.close()
        assert statsd.kernel_drops == drops


def test_reading_goes_on_while_many_series_are_gathered(statsd):
    send(
        statsd.address,
        *(b"\n".join(b"a:%d|d|#n:%d" % (i % 97 + 1, n + i) for i in range(50)) for n in range(0, 3000, 50)),
    )
    gather(statsd)
    ended = threading.Event()
    sent = 0

    def keep_sending():
        nonlocal sent
        with sending(statsd.address) as sender:
            while not ended.is_set():
                sender.send(b"b:1|c")
                sent += 1

    sender = threading.Thread(target=keep_sending)
    sender.start()
    told = [values(gather(statsd)).get("b", 0) for _ in range(5)]
    ended.set()
    sender.join(WAIT_SECONDS)
    assert told == sorted(told)
    said = {family.name: family for family in gather(statsd).families}
    assert said["b"].samples[0].value + statsd.kernel_drops == sent
    assert len(said["a"].distributions) == 3000


def test_gathering_costs_a_reader_that_failed_nothing_more(statsd, monkeypatch):
    failures = iter([RuntimeError("a bug")])

    def fail_once(*_):
        for error in failures:
            raise error
        monkeypatch.undo()
        return []

    monkeypatch.setattr(statsd.reader._slots, "receive", fail_once)
    gather(statsd)
    send(statsd.address, b"a:1|c")
    wait_until(lambda: gather(statsd).families, WAIT_SECONDS, "the reader to go on")
    assert statsd.reader.failures == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"listen": "8125"}, "listen: '8125' is not an address to listen on"),
        ({"socket": "dsd.socket"}, "socket: 'dsd.socket' is not absolute"),
        ({"socket": "/" + "x" * 107}, "socket: is longer than 107 bytes"),
    ],
)
def test_a_wrong_option_says_what_to_write(options, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        DogStatsDConfig(**options)


def test_the_thread_and_its_descriptors_end_with_it(tmp_path):
    before = descriptors()
    with reading(socket=str(tmp_path / "dsd.socket")):
        assert any(thread.name == "dogstatsd" for thread in threading.enumerate())
    assert not any(thread.name == "dogstatsd" for thread in threading.enumerate())
    assert descriptors() <= before
