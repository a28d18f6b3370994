"""A wake-up when something happens in the watched folders. Only that: what happened, the next scan finds out.

Room: collector source. Never enters: which files matter. Where the kernel gives no inotify (limits, gVisor), polling does alone.
"""

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable, Mapping

IN_MODIFY = 0x2
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_ONLYDIR = 0x1000000
WATCHED = IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR
IN_IGNORED = 0x8000
EVENT = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name that follows
DRAINED_BYTES = 1 << 14
LONGEST_EVENT_BYTES = EVENT.size + 256  # NAME_MAX and a NUL


class Inotify:
    """Watches folders. While armed it calls back once, and is then disarmed: no wake-ups while a flush is pending anyway."""

    def __init__(self, fd: int, library: ctypes.CDLL) -> None:
        self._fd = fd
        self._library = library
        self._watches: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        self._armed = False
        self.complete = True  # False where a folder could not be watched: then polling must be quick

    @classmethod
    def open(cls) -> "Inotify | None":
        """None where there is no inotify to be had."""
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "inotify_init1"):
            return None
        fd = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        return cls(fd, library) if fd >= 0 else None

    def watch(self, folders: Mapping[str, int]) -> None:
        """Watch exactly these folders, given with their inodes: one made anew under an old name is another, its watch ended with it."""
        if folders == self._folders:
            return
        for folder in self._watches.keys() - folders.keys():
            self._library.inotify_rm_watch(self._fd, self._watches.pop(folder))
        self._folders = {}
        self.complete = True
        for folder, inode in folders.items():
            watch = self._library.inotify_add_watch(self._fd, os.fsencode(folder), WATCHED)
            if watch >= 0:
                self._watches[folder], self._folders[folder] = watch, inode
            elif ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR):
                self.complete = False

    def arm(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """Call `wake` once at the next event; events since the last time count."""
        if not self._armed:
            self._armed = True
            loop.add_reader(self._fd, self._woken, loop, wake)

    def disarm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._armed:
            self._armed = False
            loop.remove_reader(self._fd)

    def drain(self) -> bool:
        """Take all events off the queue; True if there were any."""
        woken = False
        while True:
            try:
                events = os.read(self._fd, DRAINED_BYTES)
            except BlockingIOError:
                return woken
            woken = True
            if _tells_of_an_end(events):
                self._folders = {}  # a watch ended with its folder: the next call of `watch` makes all of them sure
            if len(events) <= DRAINED_BYTES - LONGEST_EVENT_BYTES:
                return woken  # another one would have fitted: the queue was empty, and need not be asked

    def close(self) -> None:
        os.close(self._fd)

    def _woken(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self.disarm(loop)
        self.drain()
        wake()


def _tells_of_an_end(events: bytes) -> bool:
    """True if the kernel says that a watch is over."""
    at = 0
    while at + EVENT.size <= len(events):
        _, mask, _, length = EVENT.unpack_from(events, at)
        if mask & IN_IGNORED:
            return True
        at += EVENT.size + length
    return False
