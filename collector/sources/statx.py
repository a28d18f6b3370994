"""When a file was born: what tells an inode number that was given out again from the file that had it before.

Room: collector source. Python's os.stat has no birth time; statx(2) has (kernel 4.11), through the C library or by its number.
"""

import ctypes
import functools
import os
import platform
import struct
from collections.abc import Callable

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
STATX_INO_AND_BTIME = 0x100 | 0x800
STATX_BTIME = 0x800
RESULT_BYTES = 256
# struct statx (linux/stat.h): stx_mask at 0, stx_ino at 32, stx_btime at 80 (seconds, nanoseconds)
MASK_AT, INODE_AT, BIRTH_AT = 0, 32, 80
SYSCALLS = {"x86_64": 332, "aarch64": 291, "riscv64": 291}


def birth_by_name(folder_fd: int, name: str) -> tuple[int, int | None]:
    """Inode and birth time in unix nanoseconds of a name in an open folder, no link followed; None where there is no birth time.

    Raises OSError where the name is gone or may not be looked at.
    """
    return _ask(folder_fd, os.fsencode(name), AT_SYMLINK_NOFOLLOW)


def birth_of(fd: int) -> int | None:
    """Birth time in unix nanoseconds of an open file; None where the file system or the kernel has none. Raises OSError."""
    return _ask(fd, b"", AT_EMPTY_PATH)[1]


def _ask(fd: int, name: bytes, flags: int) -> tuple[int, int | None]:
    statx = _statx()
    if statx is None:
        found = os.stat(os.fsdecode(name), dir_fd=fd, follow_symlinks=False) if name else os.fstat(fd)
        return found.st_ino, None
    result = ctypes.create_string_buffer(RESULT_BYTES)
    if statx(fd, name, flags, STATX_INO_AND_BTIME, result) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(name))
    (mask,) = struct.unpack_from("=I", result, MASK_AT)
    (inode,) = struct.unpack_from("=Q", result, INODE_AT)
    seconds, nanoseconds = struct.unpack_from("=qI", result, BIRTH_AT)
    born = bool(mask & STATX_BTIME) and (seconds, nanoseconds) != (0, 0)
    return inode, seconds * 1_000_000_000 + nanoseconds if born else None


@functools.cache
def _statx() -> Callable[..., int] | None:
    """The call, if this machine has it: old seccomp profiles answer EPERM, old kernels ENOSYS."""
    library = ctypes.CDLL(None, use_errno=True)
    number = SYSCALLS.get(platform.machine())
    call: Callable[..., int]
    if hasattr(library, "statx"):
        call = library.statx
    elif number is not None:
        call = functools.partial(library.syscall, number)
    else:
        return None
    probe = ctypes.create_string_buffer(RESULT_BYTES)
    return call if call(AT_FDCWD, b"/", 0, STATX_INO_AND_BTIME, probe) == 0 else None
