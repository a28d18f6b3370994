import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.fullness import WINDOW_SECONDS, Growth
from collector.sources.samplers import volumes
from collector.sources.samplers.view import View
from collector.sources.samplers.volumes import VolumeSampler

KIB = 1024


def grown(*points):
    growth = Growth()
    for now, used in points:
        growth.note(now, used)
    return growth


def test_a_volume_that_grows_evenly_is_full_when_that_says():
    growth = grown((0, 1000), (60, 1600), (120, 2200))
    assert growth.seconds_to_full(500) == pytest.approx(50)


@pytest.mark.parametrize("used", [(1000, 1000, 1000), (3000, 2000, 1000)])
def test_a_volume_that_does_not_grow_is_never_full(used):
    assert grown(*zip((0, 60, 120), used, strict=True)).seconds_to_full(500) is None


def test_one_burst_is_no_trend():
    assert grown((0, 0), (15, 1_000_000)).seconds_to_full(500) is None


def test_what_is_full_is_full_now_whatever_is_known_of_it():
    assert grown((0, 1000)).seconds_to_full(0) == 0


def test_what_is_older_than_the_window_counts_no_more():
    steep = [(now, now * 100.0) for now in range(0, 300, 15)]
    flat = [(300 + now, 30_000.0) for now in range(0, int(WINDOW_SECONDS) + 15, 15)]
    assert grown(*steep, *flat).seconds_to_full(500) is None


@given(
    st.floats(0.001, 1e9),
    st.floats(0, 1e12),
    st.lists(st.floats(1, 100), min_size=5, max_size=40),
)
def test_any_straight_line_is_found_again(slope, start, steps):
    growth, now = Growth(), 0.0
    for step in (60, *steps):
        growth.note(now, start + slope * now)
        now += step
    assert growth.bytes_per_second() == pytest.approx(slope, rel=1e-3, abs=1e-6 * start)


def sampled(sampler, tmp_path, now=0.0):
    view = View(tmp_path, "", own_kernel=False)
    view.begin(now, 0)
    return [(family, labels["mountpoint"], value) for family, labels, value in sampler.sample(view)]


def value_of(found, name):
    (value,) = [value for family, _, value in found if family == name]
    return value


def test_volumes_are_measured_once_per_mount_and_one_not_made_yet_is_no_failure(tmp_path):
    (tmp_path / "sub").mkdir()
    folders = [str(tmp_path), str(tmp_path / "sub"), str(tmp_path / "later")]
    found = sampled(VolumeSampler(folders), tmp_path)
    actual = os.statvfs(tmp_path)
    assert value_of(found, "kubelet_volume_stats_capacity_bytes") == actual.f_blocks * actual.f_frsize
    assert len({mountpoint for _, mountpoint, _ in found}) == 1


def test_a_volume_that_cannot_be_looked_at_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sampled(VolumeSampler([str(tmp_path / "file" / "below")]), tmp_path)


def test_files_are_counted_as_du_counts_them_and_nested_folders_once(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.log").write_bytes(b"x" * 100 * KIB)
    (tmp_path / "sub" / "b.log").write_bytes(b"x" * 50 * KIB)
    with (tmp_path / "hole.log").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "link").symlink_to("/")
    found = sampled(VolumeSampler([str(tmp_path), str(tmp_path / "sub")]), tmp_path)
    assert 150 * KIB <= value_of(found, "towline_volume_files_bytes") < 300 * KIB


def test_folders_with_too_many_files_are_not_counted_at_every_round(tmp_path, monkeypatch):
    monkeypatch.setattr(volumes, "MOST_ENTRIES", 3)
    monkeypatch.setattr(volumes, "REST_ROUNDS", 2)
    for name in "abcd":
        (tmp_path / name).write_bytes(b"x" * KIB)
    sampler = VolumeSampler([str(tmp_path)])
    assert value_of(sampled(sampler, tmp_path), "towline_volume_files_bytes") is None
    for name in "abc":
        (tmp_path / name).unlink()
    counted = [value_of(sampled(sampler, tmp_path), "towline_volume_files_bytes") for _ in range(3)]
    assert counted[:2] == [None, None]
    assert counted[2] > 0


def test_a_limit_of_the_log_files_is_reached_before_the_disk_is_full(tmp_path):
    sampler = VolumeSampler([str(tmp_path)], limit_bytes=1 << 20)
    for minute in range(4):
        (tmp_path / "a.log").write_bytes(b"x" * 64 * KIB * (minute + 1))
        found = sampled(sampler, tmp_path, now=60.0 * minute)
    assert value_of(found, "towline_volume_full_seconds") == pytest.approx(720, rel=0.1)  # 768 KiB at 64 KiB a minute


def test_a_limit_that_was_passed_is_no_seconds_away(tmp_path):
    (tmp_path / "a.log").write_bytes(b"x" * 64 * KIB)
    found = sampled(VolumeSampler([str(tmp_path)], limit_bytes=KIB), tmp_path)
    assert value_of(found, "towline_volume_full_seconds") == 0
