import pytest

from collector.core.files import BYSTANDER
from collector.core.globs import Excluding, Globs, root_of


@pytest.mark.parametrize(
    ("pattern", "root"),
    [
        ("/var/log/app/x.log", "/var/log/app"),
        ("/var/log/app/*.log", "/var/log/app"),
        ("/var/log/*/x.log", "/var/log"),
        ("/var/log/**", "/var/log"),
        ("/*.log", "/"),
    ],
)
def test_the_root_is_the_longest_part_without_a_wildcard(pattern, root):
    assert root_of(pattern) == root


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/l/*.log", "/l/x.log", True),
        ("/l/*.log", "/l/a/x.log", False),
        ("/l/*.log", "/l/x.log.1", False),
        ("/l/*/x.log", "/l/a/x.log", True),
        ("/l/**/*.log", "/l/x.log", True),
        ("/l/**/*.log", "/l/a/b/x.log", True),
        ("/l/**", "/l/a/b/anything", True),
        ("/l/?.log", "/l/x.log", True),
        ("/l/[a-c].log", "/l/b.log", True),
        ("/l/[!a-c].log", "/l/b.log", False),
        ("/l/[!a-c].log", "/l/x.log", True),
        ("/l/a[.log", "/l/a[.log", True),
        ("/l/a.log", "/l/axlog", False),
        ("/l/*.log", "/l/new\nline.log", True),
    ],
)
def test_patterns_match_as_a_shell_would(pattern, path, matches):
    assert (Globs([pattern]).match(path) == 0) is matches


def test_the_first_pattern_that_matches_names_the_file():
    assert Globs(["/l/a*.log", "/l/*.log"]).match("/l/ab.log") == 0
    assert Globs(["/l/a*.log", "/l/*.log"]).match("/l/b.log") == 1
    assert Globs(["/l/a*.log", "/l/*.log"]).match("/l/b.txt") == BYSTANDER


@pytest.mark.parametrize(
    "name",
    [
        "x.log.1",
        "x.log.12",
        "x.log-20261122",
        "x.log.2026-11-22",
        "x.log_2026-11-22T10:11",
        "x.log.1.gz",
        "x.log.gz",
        "x.log.old",
    ],
)
def test_a_rotated_name_is_known_for_what_it_was(name):
    assert Globs(["/l/*.log"]).rotated(f"/l/{name}") == 0


@pytest.mark.parametrize("name", ["y.txt.1", "x.log.bak", "x.logs", "1.1", ".1"])
def test_other_names_are_no_rotations(name):
    assert Globs(["/l/*.log"]).rotated(f"/l/{name}") == BYSTANDER


def test_a_root_inside_another_is_not_watched_twice():
    globs = Globs(["/var/log/app/*.log", "/var/log/**/*.txt", "/srv/*.log"])
    assert globs.roots == ("/var/log", "/srv")
    assert globs.root_over("/var/log/app/x.log") == "/var/log"
    assert globs.root_over("/var/logs/x.log") is None


def test_only_folders_that_can_hold_a_log_are_entered():
    globs = Globs(["/a/*.log", "/b/*/*.log", "/c/**/*.log"])
    assert [globs.depth_below(root) for root in globs.roots] == [0, 1, float("inf")]


@pytest.mark.parametrize(
    ("pattern", "exclude", "path", "matches"),
    [
        ("/l/*.log", [], "/l/x.log", True),
        ("/l/*.log", ["/l/debug.log"], "/l/x.log", True),
        ("/l/*.log", ["/l/debug.log"], "/l/debug.log", False),
        ("/l/*.log", ["/l/a.log", "/l/*debug*"], "/l/my-debug.log", False),
        ("/l/*", ["*.gz"], "/l/x.log.gz", False),
        ("/l/**/*.log", ["debug.log"], "/l/a/b/debug.log", False),
        ("/l/**/*.log", ["debug.log"], "/l/a/b/no-debug.log", True),
        ("/l/**/*.log", ["/l/old/**"], "/l/old/deep/x.log", False),
        ("/l/**/*.log", ["/l/*/x.log"], "/l/a/b/x.log", True),
        ("/l/*", ["/l/debug.log"], "/l/debug.log.1", False),  # what rotation made of it
        ("/l/*", ["/l/debug.log"], "/l/debug.log-20261122.gz", False),
        ("/l/*", ["/l/x.log.1"], "/l/x.log", True),
    ],
)
def test_an_excluded_file_is_no_log(pattern, exclude, path, matches):
    globs = Globs([Excluding(pattern, exclude)])
    assert (globs.match(path) == 0) is matches
    assert globs.excludes(path) is not matches


@pytest.mark.parametrize(
    ("exclude", "path", "is_rotated"),
    [
        (["/l/debug.log"], "/l/debug.log.1", False),
        (["/l/debug.log"], "/l/debug.log.1.gz", False),
        (["/l/debug.log"], "/l/x.log.1", True),
        (["*.gz"], "/l/x.log.1.gz", False),
        (["*.gz"], "/l/x.log.1", True),
        (["/l/x.log.1"], "/l/x.log.1", False),
        (["/l/x.log.1"], "/l/x.log.2", True),
        (["/l/x.log.1"], "/l/x.log.1.gz", False),
    ],
)
def test_what_rotation_makes_of_an_excluded_file_is_excluded_too(exclude, path, is_rotated):
    globs = Globs([Excluding("/l/*.log", exclude)])
    assert globs.match(path) == BYSTANDER
    assert (globs.rotated(path) == 0) is is_rotated
    assert globs.excludes(path) is not is_rotated


def test_a_file_that_one_pattern_excludes_is_still_anothers():
    globs = Globs([Excluding("/l/*.log", ["/l/a.log"]), "/l/a.log"])
    assert (globs.match("/l/b.log"), globs.match("/l/a.log"), globs.rotated("/l/a.log.1")) == (0, 1, 1)
    assert not globs.excludes("/l/a.log")


def test_a_file_that_no_pattern_is_for_is_not_called_excluded():
    assert not Globs([Excluding("/l/*.log", ["*.txt"])]).excludes("/l/notes.txt")
