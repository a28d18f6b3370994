"""What every sampler of one round looks at: /proc, the control groups, and what the pod was said to be.

Room: collector source, beside the samplers. Never enters: what the files mean (core/).
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from collector.core.cgroup import Place, locate, locate_other, parse_memberships, parse_mounts
from collector.core.siblings import SHORT_ID_CHARS, Sibling

Labels = Mapping[str, str]
Value = tuple[str, Labels, float | None]  # family, labels, value; None: the kernel does not say

POD: Labels = {"scope": "pod"}

_READ_BYTES = 1 << 16
T = TypeVar("T")

# A group or process that went while we looked, and a kernel that was told not to keep this account.
_ABSENT = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EOPNOTSUPP})


class Group:
    """The control groups of one container, ours or a sibling's."""

    def __init__(self, labels: Labels, memberships: Mapping[str, str], *, is_own: bool) -> None:
        self.labels = labels
        self.is_own = is_own
        self.memberships = memberships
        self.places: dict[str, Place | None] = {}


class View:
    """One round's looks at the kernel. Below `root` lie /proc and the cgroup mounts."""

    def __init__(self, root: Path, container: str, *, own_kernel: bool) -> None:
        self.root = root
        self.own_kernel = own_kernel
        self.now = 0.0  # monotonic seconds
        self.now_unix_ns = 0
        self.others: Sequence[tuple[Labels, Sibling]] = ()
        self.unseen: Sequence[tuple[Labels, Sibling]] = ()  # those of them whose groups cannot be read
        self._container = {"scope": "container"} | ({"container": container} if container else {})
        self._own: Group | None = None
        self._readable: Sequence[Group] = ()
        self._known: dict[str, Group] = {}  # the other containers, by id
        self._mounts_text = ""

    def begin(self, now: float, now_unix_ns: int) -> None:
        """A new round: who else is there is not known yet."""
        self.now, self.now_unix_ns = now, now_unix_ns
        self.others, self.unseen, self._readable = (), (), ()

    def forget(self) -> None:
        """Something failed: groups may have moved, look again."""
        self._own = None
        for group in self._known.values():
            group.places.clear()

    @property
    def own(self) -> Group:
        """Our own container. Raises OSError, ValueError."""
        if self._own is None:
            self._own = Group(self._container, parse_memberships(self.proc("self/cgroup")), is_own=True)
            self._mounts_text = self.proc("self/mountinfo")
        return self._own

    def of_each(self, read: Callable[[Group], T]) -> Iterator[tuple[Labels, T]]:
        """What `read` finds of every container whose groups can be read, ours first. One of the others that ends meanwhile is passed over."""
        yield self.own.labels, read(self.own)
        for group in self._readable:
            try:
                found = read(group)
            except (OSError, ValueError, LookupError):
                continue
            yield group.labels, found

    def take_siblings(self, siblings: Sequence[Sibling]) -> None:
        """The other containers that are to be seen in this round: by their groups, or else by their processes.

        A container keeps the process name of its first look, so that its series go on when its entry point becomes something else.
        """
        known, others, unseen = {}, [], []
        for sibling in siblings:
            labels = {"scope": "container", "container_id": sibling.id[:SHORT_ID_CHARS], "process": sibling.process}
            group = self._known.get(sibling.id) or Group(labels, sibling.memberships, is_own=False)
            known[sibling.id] = group
            others.append((group.labels, sibling))
            if self.place(group, "memory") is None:
                unseen.append((group.labels, sibling))
        self._known, self.others, self.unseen = known, others, unseen
        self._readable = [group for group in known.values() if self.place(group, "memory") is not None]

    def place(self, group: Group, controller: str) -> Place | None:
        """Where a group's files of this controller lie; None where they are not mounted here."""
        if controller not in group.places:
            mounts = parse_mounts(self._mounts_text)
            find = locate if group.is_own else locate_other
            place = find(controller, group.memberships, mounts)
            if place is not None and not group.is_own and not (self.root / place.folder.lstrip("/")).is_dir():
                place = None
            group.places[controller] = place
        return group.places[controller]

    def found_place(self, group: Group, controller: str) -> Place:
        """The same where it must be there. Raises LookupError."""
        place = self.place(group, controller)
        if place is None:
            raise LookupError(f"no cgroup hierarchy with the controller {controller} is mounted here")
        return place

    def texts(self, place: Place, names: Iterable[str]) -> dict[str, str]:
        """These files of a group, without those that this kernel does not have. Raises OSError for one that cannot be read."""
        folder = self.root / place.folder.lstrip("/")
        found = {}
        for name in names:
            text = _read_if_there(f"{folder}/{name}")
            if text is not None:
                found[name] = text
        return found

    def proc(self, name: str) -> str:
        """A file of /proc that must be there. Raises OSError."""
        return _read(f"{self.root}/proc/{name}")

    def proc_if_there(self, name: str) -> str | None:
        """A file of /proc that not every kernel has, or of a process that may have ended. Raises OSError."""
        return _read_if_there(f"{self.root}/proc/{name}")


def _read_if_there(path: str) -> str | None:
    try:
        return _read(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _read(path: str) -> str:
    """A small file as the kernel makes it; bare calls, because a round reads hundreds in a pod with shared processes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, _READ_BYTES):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode(errors="replace")


class Sampler(Protocol):
    """One sampler. Raises OSError, ValueError or LookupError where it cannot say anything: that is a success of 0."""

    def sample(self, view: View, /) -> Iterable[Value]:
        """What it sees in this round."""
