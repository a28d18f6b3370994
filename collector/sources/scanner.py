"""One look at all watched folders: a stat for every regular file, the same value again for every file that did not change.

Room: collector source. Never enters: contents (but for the first bytes that name a file where there are no birth times).
"""

import os
import stat
from dataclasses import dataclass, field

import msgspec

from collector.core.files import BYSTANDER, FileKey, Seen
from collector.core.globs import Globs
from collector.sources import statx
from collector.sources.descriptors import Descriptors
from collector.sources.folders import (
    DEEPEST,
    OPEN_FOLDER,
    OPEN_ROOT,
    TOO_MANY_OPEN,
    Refusals,
    open_file,
    reason_of,
    target_in_same_folder,
)
from towline.wire.identity import HEAD_BYTES


class Known(msgspec.Struct, frozen=True):
    """A file at a path, as the last scan saw it; `changed_ns` is its ctime, which nobody can set."""

    seen: Seen
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder. `prefix` is the folder's path with a slash at its end."""

    root: str
    prefix: str
    name: str
    folder_fd: int

    @property
    def path(self) -> str:
        return self.prefix + self.name


@dataclass(slots=True)
class Round:
    """What one scan has found so far."""

    files: list[Seen] = field(default_factory=list)
    known: dict[str, dict[str, Known]] = field(default_factory=dict)  # folder: name
    folders: dict[str, int] = field(default_factory=dict)  # path: inode
    complete: bool = True


class Scanner:
    """Remembers what it saw: unchanged files cost one stat, and new ones are opened at once, before anybody can unlink them."""

    def __init__(self, globs: Globs, descriptors: Descriptors, refusals: Refusals) -> None:
        self._globs = globs
        self._descriptors = descriptors
        self._refusals = refusals
        self._known: dict[str, dict[str, Known]] = {}
        self._listed: set[str] = set()
        self.folders: dict[str, int] = {}
        self.paths: dict[FileKey, str] = {}  # where an instance was seen last, below its root or not

    def look(self) -> tuple[list[Seen], frozenset[str]]:
        """All regular files of the watched folders, and the roots that could be listed whole."""
        complete = set()
        round_ = Round()
        for root in self._globs.roots:
            round_.complete = True
            self._look_below(root, round_)
            if round_.complete:
                complete.add(root)
        self._listed |= round_.folders.keys()
        self._forget(round_)
        self._known, self.folders = round_.known, round_.folders
        return round_.files, frozenset(complete)

    def _forget(self, round_: Round) -> None:
        """Drop what is said of paths that are no more; of the instances only those that are not open."""
        for folder, names in self._known.items():
            there = round_.known.get(folder, {})
            for name in names.keys() - there.keys() if names.keys() != there.keys() else ():
                seen = names[name].seen
                if self.paths.get(seen.key) == seen.path and self._descriptors.get(seen.key) is None:
                    del self.paths[seen.key]
                self._refusals.clear(seen.path)

    def _look_below(self, root: str, round_: Round) -> None:
        try:
            fd = os.open(root, OPEN_ROOT)
            try:
                self._look_into(root, root, fd, round_)
            finally:
                os.close(fd)
        except (FileNotFoundError, NotADirectoryError):
            self._refusals.clear(root)  # not there yet, or deleted: waited for
        except OSError as error:
            self._refusals.note(root, "folder_unreadable")
            round_.complete = False
            if error.errno in TOO_MANY_OPEN:
                self._descriptors.close_smallest()

    def _look_into(self, root: str, folder: str, fd: int, round_: Round) -> None:
        round_.folders[folder] = os.fstat(fd).st_ino
        deeper = folder[len(root) :].count("/") < min(self._globs.depth_below(root), DEEPEST)
        prefix = folder.rstrip("/") + "/"
        before = self._known.get(folder, {})
        names: dict[str, Known] = round_.known.setdefault(folder, {})
        others: list[os.DirEntry[str]] = []
        with os.scandir(fd) as entries:
            for entry in entries:
                known = before.get(entry.name)
                if known is not None and (again := self._look_again(root, known, entry)) is not None:
                    names[entry.name] = again
                elif entry.is_file(follow_symlinks=False):
                    self._look_at(Place(root, prefix, entry.name, fd), round_, known)
                else:
                    others.append(entry)
        inner = [entry.name for entry in others if entry.is_dir(follow_symlinks=False)]
        for entry in others:
            if entry.name not in inner:
                self._look_at_other(Place(root, prefix, entry.name, fd), entry, names)
        round_.files += [known.seen for known in names.values()]
        for name in inner if deeper else ():
            self._descend(root, prefix + name, fd, name, round_)

    def _look_again(self, root: str, known: Known, entry: "os.DirEntry[str]") -> Known | None:
        """What a name stands for that was known: the same value if nothing at all was done to it, a new one if the file was written to.

        None where there may be another file now: that is for the closer look.
        """
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            return None
        seen, size, mtime_ns = known.seen, found.st_size, found.st_mtime_ns
        key = seen.key
        if key.inode != found.st_ino:
            return None
        if known.changed_ns == found.st_ctime_ns and seen.size == size and seen.mtime_ns == mtime_ns:
            return known  # its change time cannot be set back
        # As long as it is open its inode is its own. One that was empty when it was named may get a better name.
        if self._descriptors.instance_at(root, key.inode) != key or (key.birth_ns is None and not key.head):
            return None
        self.paths[key] = seen.path
        return Known(Seen(key, seen.path, size, mtime_ns, seen.matches, seen.rotated), found.st_ctime_ns)

    def _look_at_other(self, place: Place, entry: "os.DirEntry[str]", names: dict[str, Known]) -> None:
        """Neither a file nor a folder: a link, or something that must not even be opened."""
        if self._globs.match(place.path) == BYSTANDER:
            return
        if entry.is_symlink():
            self._follow(place, names)
        else:
            self._refusals.note(place.path, "not_regular")

    def _descend(self, root: str, path: str, parent_fd: int, name: str, round_: Round) -> None:
        try:
            fd = os.open(name, OPEN_FOLDER, dir_fd=parent_fd)
        except FileNotFoundError:
            return
        except OSError:
            self._refusals.note(path, "folder_unreadable")
            round_.complete = round_.complete and path not in self._listed
            return
        try:
            self._look_into(root, path, fd, round_)
        finally:
            os.close(fd)

    def _look_at(self, place: Place, round_: Round, known: Known | None) -> None:
        """Look closely at what is new or changed."""
        try:
            found = os.stat(place.name, dir_fd=place.folder_fd, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                return  # replaced since the folder was listed
            key = self._key_of(place, found, known)
        except FileNotFoundError:
            return  # gone since
        except OSError:
            self._refusals.note(place.path, "unreadable")
            return
        if key is None:
            round_.complete = False  # replaced between two looks at it: the next scan knows more
            return
        seen = self.describe(key, place.path, found.st_size, found.st_mtime_ns)
        if known is not None and known.seen.key == key:
            seen = _as_if_named(seen, known.seen.matches)  # perhaps by a link's name
        if key not in self.paths:
            self._open_early(seen, place)
        self.paths[key] = place.path
        round_.known[place.prefix.rstrip("/") or "/"][place.name] = Known(seen, found.st_ctime_ns)

    def _key_of(self, place: Place, found: os.stat_result, known: Known | None) -> FileKey | None:
        """The instance that was just measured; None where another took its place meanwhile. An inode cannot be given out again while it is open."""
        held = self._descriptors.instance_at(place.root, found.st_ino)
        if held is None:
            return self._identify(place, found.st_ino, known)
        if held.birth_ns is not None or held.head or not found.st_size:
            return held
        key = self._identify(place, found.st_ino, known)  # empty when it was named, and without a birth time
        if key is not None:
            self._descriptors.rename(held, key)
        return key

    def describe(self, key: FileKey, path: str, size: int, mtime_ns: int) -> Seen:
        """A file at a path, with what its name means."""
        matches = self._globs.match(path)
        rotated = self._globs.rotated(path) if matches == BYSTANDER else BYSTANDER
        return Seen(key, path, size, mtime_ns, matches, rotated)

    def _identify(self, place: Place, expected_inode: int, known: Known | None) -> FileKey | None:
        inode, born = statx.birth_by_name(place.folder_fd, place.name)
        if inode != expected_inode:
            return None
        if born is not None:
            return FileKey(place.root, inode, born)
        head = self._head(place)
        before = known.seen.key if known is not None and known.seen.key.inode == inode else None
        if before is not None and before.head and head.startswith(before.head):
            return before
        return FileKey(place.root, inode, None, head)

    def _head(self, place: Place) -> bytes:
        try:
            file = open_file(place.folder_fd, place.name)
        except OSError:
            self._refusals.note(place.path, "permission")
            return b""
        try:
            return os.pread(file, HEAD_BYTES, 0)
        finally:
            os.close(file)

    def _open_early(self, seen: Seen, place: Place) -> None:
        """A file that is to be read is opened when it is first seen: it may be unlinked before its turn comes."""
        if (seen.matches == BYSTANDER and seen.rotated == BYSTANDER) or self._descriptors.get(seen.key) is not None:
            return
        try:
            self._descriptors.take(seen.key, open_file(place.folder_fd, place.name), seen.size)
            self._refusals.clear(seen.path)
        except OSError as error:
            self._refusals.note(seen.path, reason_of(error))

    def _follow(self, link: Place, names: dict[str, Known]) -> None:
        """A link whose name matches: its target counts as matching where it lies in the same folder."""
        target = target_in_same_folder(link.folder_fd, link.prefix, link.name)
        known = None if target is None else names.get(target)
        if target is None or known is None:
            self._refusals.note(link.path, "link")
            return
        self._refusals.clear(link.path)
        if known.seen.matches == BYSTANDER and not self._globs.excludes(known.seen.path):
            seen = _as_if_named(known.seen, self._globs.match(link.path))
            names[target] = Known(seen, known.changed_ns)
            self._open_early(seen, Place(link.root, link.prefix, target, link.folder_fd))


def _as_if_named(seen: Seen, matches: int) -> Seen:
    return Seen(seen.key, seen.path, seen.size, seen.mtime_ns, matches, seen.rotated)
