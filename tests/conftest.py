"""Fixtures for every test: float64 in JAX, the built Fortran programs, and how to start an MPI job."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

if importlib.util.find_spec("jax"):
    import jax

    # Differentiated code refuses to run without it; the command line sets it in the same way.
    jax.config.update("jax_enable_x64", True)


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal() -> None:
    """Programs started by the tests hear Ctrl-C and SIGHUP, though nohup or a shell's `&` made pytest deaf to them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def build_directory() -> Path:
    """Debug build of the Fortran programs: NEMO_BRIDGE_BUILD, else build/debug (what `make test` builds)."""
    directory = Path(os.environ.get("NEMO_BRIDGE_BUILD", REPOSITORY / "build" / "debug")).resolve()
    if not directory.is_dir():
        pytest.fail(
            f"no Fortran build in {directory}: run `make build/debug/.stamp`, or set NEMO_BRIDGE_BUILD"
        )
    return directory


@pytest.fixture(scope="session")
def executable(build_directory: Path) -> Callable[[str], Path]:
    """`executable("toy_ocean")`: path of a built Fortran program, wherever in the build directory it lies."""

    def find(name: str) -> Path:
        found = [path for path in build_directory.rglob(name) if path.is_file() and os.access(path, os.X_OK)]
        if not found:
            pytest.fail(f"no program {name!r} below {build_directory}: run `make build/debug/.stamp`")
        return min(found, key=lambda path: len(path.parts))

    return find


@pytest.fixture(scope="session")
def mpi_environment() -> dict[str, str]:
    """Environment for mpirun: root allowed, more ranks than cores allowed, waiting ranks yield the core."""
    environment = dict(os.environ)
    for name in [name for name in environment if name.startswith(("OMPI_COMM", "PMIX_", "PMI_"))]:
        del environment[name]  # a job started from inside another job must not join it
    if os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    environment |= {
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_btl_vader_single_copy_mechanism": "none",  # no ptrace permission in containers
        "OMP_NUM_THREADS": "1",
    }
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), environment.get("PYTHONPATH", "")]).rstrip(
        ":"
    )
    return environment


@pytest.fixture(scope="session")
def mpirun() -> list[str]:
    """Command that starts an MPI job, e.g. `[*mpirun, "-n", "1", …, ":", "-n", "2", …]`."""
    command = shutil.which("mpirun") or shutil.which("mpiexec")
    if command is None:
        pytest.fail("mpirun is not installed: apt-get install openmpi-bin libopenmpi-dev")
    return [command, "--bind-to", "none"]
