"""A compiled program finds its scratch memory again."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from emulator.veros.memory import keep_freed_memory
kept = keep_freed_memory()
import jax, jax.numpy as jnp
program = jax.jit(lambda x: jnp.cumsum(jnp.outer(x, x), axis=0).max())  # scratch memory: 100 MB, 25000 pages
x = jnp.ones(5000, dtype="float32")
program(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    program(x).block_until_ready()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_scratch_memory_is_not_asked_for_anew_at_every_call() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=300
    )
    kept, faults = map(int, done.stdout.split())
    if not kept:
        pytest.skip("the C library has no mallopt")
    assert faults < 2500, "three calls took new pages for more than a tenth of one call's memory"
