"""Memory that is freed stays with the process, and the next call of a compiled program finds it there.

A program of XLA takes its scratch memory as one block at every call. glibc returns blocks beyond 32 MB to the system
as soon as they are freed, and every page of the next one is a fault: 25,000 for the 100 MB of a reversed step of `acc`,
40 % of its time.
"""

from __future__ import annotations

import ctypes

import jax

# mallopt(3): free memory at the end of the heap beyond the first goes back, blocks beyond the second are no part of it
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LIMIT = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Keep up to 1 GB of freed memory in this process; False where the C library has no such option.

    For blocks over 64 MB this holds in the heap of the main thread alone: compiled programs are then run by the thread
    that calls them, unless JAX has run something before.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(limit, _LIMIT) for limit in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD)
    )
