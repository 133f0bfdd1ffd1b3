"""Stock VEROS made ready: its runtime settings chosen before its core is imported, and our functions put into it.

VEROS locks its settings when its core modules are imported, so whoever imports them first decides for the process.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

#: the release whose internals we use; tests/emulator/test_veros_internals.py says which
VERSION = "1.7.0"

#: differentiable: JAX in float64, a tridiagonal solver without custom calls, no files, no MPI
SETTINGS = {
    "backend": "jax",
    "device": "cpu",
    "float_type": "float64",
    "linear_solver": "scipy_jax",
    "use_special_tdma": False,
    "diskless_mode": True,
}


@functools.cache
def ready() -> None:
    """Import VEROS with `SETTINGS` and substitute what has no derivative. Sets JAX to float64, as VEROS does.

    Freed memory stays with this process from now on (`memory`).
    ImportError without VEROS; RuntimeError for another release, or if its core was imported with other settings.
    """
    choose()
    from emulator.veros.memory import keep_freed_memory
    from emulator.veros.substitutes import install

    keep_freed_memory()
    install()


def choose(**others: object) -> None:
    """Import VEROS's core with `SETTINGS`, some of them replaced by `others`."""
    _require_installed()
    with _single_process():
        from veros import logger, runtime_settings

    del logger  # made now, at its default level; the next line would be undone by its making
    if getattr(runtime_settings, "__locked__", False):
        _require_settings(runtime_settings)
    else:
        runtime_settings.loglevel = "warning"
        runtime_settings.update(mpi_comm=None, **{**SETTINGS, **others})
    import veros.core  # noqa: F401  imports everything below it, and locks the settings


def _require_installed() -> None:
    try:
        found = metadata.version("veros")
    except metadata.PackageNotFoundError as error:
        raise ImportError('VEROS is not installed: pip install "nemo-bridge[veros]"') from error
    if found != VERSION:
        raise RuntimeError(
            f"expected VEROS {VERSION}, whose internals are used, got {found}: install that one"
        )


def _require_settings(settings: object) -> None:
    wrong = {
        name: getattr(settings, name)
        for name, value in SETTINGS.items()
        if name != "diskless_mode" and getattr(settings, name) != value
    }
    if wrong:
        expected = ", ".join(f"{name}={SETTINGS[name]!r}" for name in wrong)
        got = ", ".join(f"{name}={value!r}" for name, value in wrong.items())
        raise RuntimeError(
            f"VEROS was imported before with {got}; expected {expected}. Its settings cannot change any more in this "
            "process: call emulator.veros_model first, or set VEROS_… in the environment to these values"
        )


@contextmanager
def _single_process() -> Iterator[None]:
    """VEROS looks for mpi4py on import, which would start MPI and take all its processes for VEROS's own."""
    hidden = "mpi4py.MPI" not in sys.modules
    if hidden:
        sys.modules["mpi4py.MPI"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["mpi4py.MPI"]
