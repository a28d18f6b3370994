"""Tells malloc to give memory back: blocks of a megabyte come and go, and the pod pays for what lies idle.

Room: collector shell. Never enters: anything else. Constants: glibc's malloc.h.
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_THRESHOLD_BYTES = 64 << 10


def give_memory_back() -> None:
    """One arena; what is free at the top of the heap is returned, and large blocks live outside of it. Nothing happens where libc is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
