"""Datagrams in batches: the sockets they come to, and one call for up to 32 of them.

Room: collector source. What the datagrams say is core/statsd.py; when they are read is dogstatsd.py.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Final

SLOTS: Final = 32
SLOT_BYTES: Final = 65536  # no UDP datagram is longer; of a Unix one that is, the rest is cut off

# The last two are not in Python's socket module (include/uapi/asm-generic/socket.h, include/uapi/linux/sock_diag.h).
_MSG_DONTWAIT = int(socket.MSG_DONTWAIT)
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("9I")
_MEMINFO_DROPS = 8


class _Vector(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vectors_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """`struct mmsghdr`: a message, and how many bytes came."""

    _fields_ = (("message", _Message), ("came_bytes", ctypes.c_uint32))


class Slots:
    """Room for one batch. Pages of it are only resident once a datagram was long enough to need them."""

    def __init__(self) -> None:
        # Python has no recvmmsg. PyDLL keeps the interpreter's lock: the call never waits, and giving the lock away for each datagram would mean
        # to queue for it each time behind whatever else runs (5 ms where that is busy). So a batch costs one such wait at most.
        self._call = ctypes.PyDLL(None, use_errno=True).recvmmsg
        self._call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._room = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._room))
        self._vectors = (_Vector * SLOTS)(*(_Vector(base + at * SLOT_BYTES, SLOT_BYTES) for at in range(SLOTS)))
        first, each = ctypes.addressof(self._vectors), ctypes.sizeof(_Vector)
        self._headers = (_Header * SLOTS)(
            *(_Header(_Message(vectors=first + at * each, vectors_count=1)) for at in range(SLOTS))
        )
        self._address = ctypes.addressof(self._headers)
        words = memoryview(self._headers).cast("B").cast("I")
        self._came = words[_Header.came_bytes.offset // 4 :: ctypes.sizeof(_Header) // 4]

    def receive(self, fd: int) -> list[bytes]:
        """What is there now, up to SLOTS datagrams. Raises OSError."""
        count = self._call(fd, self._address, SLOTS, _MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in {errno.EAGAIN, errno.EINTR}:
                return []
            raise OSError(number, os.strerror(number))
        room = self._room
        starts = range(0, count * SLOT_BYTES, SLOT_BYTES)
        return [room[start : start + came] for start, came in zip(starts, self._came[:count].tolist(), strict=True)]


def receive_one(listener: socket.socket) -> list[bytes]:
    """The next datagram, if there is one. Raises OSError."""
    try:
        return [listener.recv(SLOT_BYTES)]
    except BlockingIOError:
        return []


def open_udp(host: str, port: int, buffer_bytes: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        _widen(listener, buffer_bytes)
        listener.bind((host, port))
        stack.pop_all()
    return listener


def _widen(listener: socket.socket, buffer_bytes: int) -> None:
    """Ask for a receive buffer; the kernel's own limit (net.core.rmem_max) holds unless we may exceed it (CAP_NET_ADMIN)."""
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer_bytes)
    except OSError:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)


def open_unix(path: str) -> socket.socket:
    """A datagram socket that any user of the pod's volume may write to. One that a dead process left is replaced. Raises OSError."""
    _clear(path)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        listener.bind(path)
        Path(path).chmod(0o666)  # the app runs as whatever user its image says
        stack.pop_all()
    return listener


def _clear(path: str) -> None:
    """Unlink a socket that nobody listens to; anything else stays, and bind() says so."""
    try:
        is_socket = stat.S_ISSOCK(Path(path).lstat().st_mode)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        if is_socket and probe.connect_ex(path) == errno.ECONNREFUSED:
            Path(path).unlink(missing_ok=True)


def drops_of(listener: socket.socket) -> int:
    """Datagrams that the kernel dropped because this socket's buffer was full, since it was opened; 0 where the kernel does not say.

    SO_MEMINFO (Linux 4.12) reads the count that SO_RXQ_OVFL would attach to each datagram.
    """
    try:
        said = listener.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(said)[_MEMINFO_DROPS])
    except (OSError, struct.error):
        return 0
