"""How glibc's malloc is asked to behave, for bounded resident memory.

Room: aggregator, the top. Never enters: anything that allocates.
"""

import contextlib
import ctypes

_M_ARENA_MAX = -8  # malloc.h


def use_one_arena() -> None:
    """One arena for all threads. Call before the first thread starts; does nothing where the C library is not glibc.

    Blocks of about a MiB come and go on four threads, of which the GIL lets one allocate at a time: more arenas gain no speed, and each
    keeps its own high-water mark. Measured with three sinks, one of them dead: peak 133 -> 112 MB, afterwards 128 -> 95 MB, CPU the same.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
