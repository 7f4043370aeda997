"""Memory of a process that serves for days: Python's cycle collector and the C library's allocator."""

import ctypes
import gc
import sys
from typing import Final

YOUNG: Final = 20_000  # new containers before the youngest generation is looked through; Python's own is 700
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h of glibc
LARGE: Final = 256 * 1024
ARENAS: Final = 2


def tune() -> None:
    """Call once when everything is imported: what exists now is for ever, and is not looked through again.

    Otherwise each full collection walks all code and tables of the program, some hundred thousand objects, amid some
    request. What requests leave behind is freed by its reference counts; cycles are rare and can wait.
    """
    _give_large_blocks_back()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def _give_large_blocks_back() -> None:
    """Uploads of some MB go back to the system when they are freed, and threads share two heaps.

    By itself glibc raises its limit to the largest block freed so far and cuts later ones out of its heap, between
    small ones that stay: the process keeps the memory of its busiest moment. Elsewhere nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_ARENA_MAX, ARENAS)
