from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core.files import FileKey, Position, Scan, Seen
from collector.core.following import Followed
from collector.core.present import Present
from collector.core.twins import Heads, carries, convinces, most_alike
from towline.wire.identity import EMPTY_PRINT, Origin, print_of

ROOT = "/l"


def seen(inode, path, size=10, mtime_ns=1):
    return Seen(FileKey(ROOT, inode, inode), path, size, mtime_ns, 0)


def stream(name, path, offset=100):
    key = FileKey(ROOT, 1, 1)
    return Followed(
        stream_id=name,
        origin=Origin(path=path),
        head_bytes=0,
        key=key,
        home=key,
        position=Position(0, offset, "p"),
        path=path,
    )


class Shelf:
    """Implements `Peek` on bytes."""

    def __init__(self, **files):
        self.files = {FileKey(ROOT, 0, None, name.encode()): data for name, data in files.items()}

    def head(self, key, length):
        return self.files[key][:length]

    def print_at(self, key, offset):
        return print_of(self.files[key][:offset]) if len(self.files[key]) >= offset else None

    def length(self, key):
        return len(self.files[key])


# Which to compare


@given(st.lists(st.binary(min_size=1, max_size=6), max_size=30), st.binary(min_size=1, max_size=6))
def test_heads_find_every_stream_that_begins_alike(heads, head):
    book = Heads()
    for number, one in enumerate(heads):
        book.add(one, str(number))
    expected = {str(number) for number, one in enumerate(heads) if one.startswith(head) or head.startswith(one)}
    assert set(book.like(head)) == expected


@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=20), st.data())
def test_a_head_that_was_removed_is_not_found(heads, data):
    book = Heads()
    for number, one in enumerate(heads):
        book.add(one, str(number))
    gone = data.draw(st.integers(0, len(heads) - 1))
    book.remove(heads[gone], str(gone))
    assert str(gone) not in book.like(heads[gone])


def test_the_most_alike_names_are_compared_first_and_not_too_many():
    streams = [stream(str(n), f"{ROOT}/app-{n}.log") for n in range(50)]
    found = most_alike(f"{ROOT}/app-31.log.1", streams, 3)
    assert (found[0].stream_id, len(found)) == ("31", 3)


def test_a_stream_whose_file_went_is_compared_before_those_that_are_there():
    gone = stream("gone", f"{ROOT}/z.log")
    gone.vanished_at = 1.0
    assert most_alike(f"{ROOT}/a.log.1", [stream("a", f"{ROOT}/a.log"), gone], 1) == [gone]


# What proves something


def test_nothing_read_proves_nothing():
    shelf = Shelf(a=b"one\ntwo\n")
    (key,) = shelf.files
    assert carries(shelf, key, 4, print_of(b"one\n"))
    assert not carries(shelf, key, 0, EMPTY_PRINT)
    assert not carries(shelf, key, 4, EMPTY_PRINT)
    assert not carries(shelf, key, 4, None)
    assert not carries(shelf, key, 9, print_of(b"one\ntwo\n"))


def test_a_short_beginning_proves_nothing_unless_the_name_says_so():
    short = replace(seen(2, f"{ROOT}/y.log"), size=50)
    assert not convinces(short, stream("a", f"{ROOT}/x.log", offset=100))
    assert convinces(short, stream("a", f"{ROOT}/x.log", offset=50))
    assert convinces(replace(short, path=f"{ROOT}/x.log.1"), stream("a", f"{ROOT}/x.log", offset=100))
    assert convinces(replace(short, size=4096), stream("a", f"{ROOT}/x.log", offset=9999))


# What changed


def scan(*files, complete=True):
    return Scan(files, frozenset({ROOT} if complete else ()), frozenset())


def test_only_what_changed_is_told():
    present, one, two = Present(), seen(1, "/l/a"), seen(2, "/l/b")
    assert present.take(scan(one, two)).seen == (one, two)
    grown = replace(two, size=20)
    assert present.take(scan(one, grown)).seen == (grown,)
    assert present.take(scan(one, replace(grown))).seen == ()


def test_a_renamed_file_has_not_vanished():
    present = Present()
    present.take(scan(seen(1, "/l/a")))
    changes = present.take(scan(seen(1, "/l/b"), seen(2, "/l/a")))
    assert ([one.path for one in changes.seen], changes.vanished) == (["/l/b", "/l/a"], ())


def test_a_file_that_lost_one_of_two_names_has_not_vanished():
    present = Present()
    present.take(scan(seen(1, "/l/a"), seen(1, "/l/b")))
    assert present.take(scan(seen(1, "/l/b"))).vanished == ()
    assert present.files[FileKey(ROOT, 1, 1)].path == "/l/b"
    assert [one.path for one in present.take(scan()).vanished] == ["/l/b"]


def test_an_unlinked_file_and_the_new_one_at_its_path_are_two():
    present, old, new = Present(), seen(1, "/l/a"), seen(2, "/l/a")
    present.take(scan(old))
    assert present.take(scan(new, old)).vanished == ()
    assert set(present.files) == {old.key, new.key}
    assert present.take(scan(new, old)).seen == ()
    assert present.take(scan(new)).vanished == (old,)


def test_of_a_folder_that_could_not_be_listed_everything_is_kept():
    present, one = Present(), seen(1, "/l/a")
    present.take(scan(one))
    assert present.take(scan(complete=False)).vanished == ()
    assert present.take(scan(complete=False)).vanished == ()
    assert present.take(scan()).vanished == (one,)
