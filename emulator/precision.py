"""Differentiated code runs in float64; the program that owns the process switches it on."""

import jax


def require_float64() -> None:
    """Raise `RuntimeError` unless JAX computes in float64.

    Single precision loses the derivatives: a Taylor test stops at 1e-4 and a Jacobian of small
    sensitivities is noise. A library must not change a global setting, so it asks.
    """
    if not jax.config.read("jax_enable_x64"):
        raise RuntimeError(
            "derivatives need float64, but JAX is in float32 mode; call "
            'jax.config.update("jax_enable_x64", True) at the start of the program'
        )
