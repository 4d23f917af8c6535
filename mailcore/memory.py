"""How a program's C library (glibc) keeps memory that was given back.

By itself it learns from the first large block it gets back to keep such blocks, once for each thread: after a password
was hashed on each of eight threads, 150 MiB are held for the next time. Told where "large" begins, it gives them back
to the system at once, which also bounds what large messages leave behind.
"""

from __future__ import annotations

import ctypes

LARGE_BYTES = 1 << 20
ARENAS = 2
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def give_back_large_blocks() -> bool:
    """Call it before threads are started. False where the C library knows no such thing."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES) and library.mallopt(_M_ARENA_MAX, ARENAS))
