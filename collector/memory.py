"""Tells malloc how to handle blocks: a megabyte comes and goes many times a second, and the pod pays for fresh pages and for idle ones.

Room: collector shell. Never enters: anything else. Constants: glibc's malloc.h.
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
# Above what a block and its copies take: with 64 kB every buffer was mapped and faulted in anew, a third of the CPU, at the same peak (bench).
_THRESHOLD_BYTES = 4 << 20


def tune_malloc() -> None:
    """One arena for all threads; buffers of a block's size are used again, larger ones given back. Nothing happens where libc is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)


def give_back() -> None:
    """Return what malloc keeps for later: after the start, and after a backlog, nothing of that size comes for a while."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
