"""An MPI job before it starts: its programs, command line, environment and run directory."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import ConfigurationError

#: in a model's folder: its ranks write to `model.log.<rank>`
MODEL_LOG = "model.log"


@dataclass(frozen=True)
class Program:
    """One program of an MPI job: command line, number of ranks, working directory.

    With `log`, each rank's output goes to `<log>.<rank>` (rank in MPI_COMM_WORLD) instead of the terminal.
    """

    argv: Sequence[str]
    ranks: int = 1
    directory: Path | None = None
    log: Path | None = None


@dataclass(frozen=True)
class Job:
    """An MPI job of several programs in one MPI_COMM_WORLD, in this order."""

    programs: Sequence[Program]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def ranks(self) -> int:
        """Ranks of all programs together."""
        return sum(program.ranks for program in self.programs)


def server_and_models(
    server_argv: Sequence[str], model_argv: Sequence[str], ranks: int, directories: Sequence[Path]
) -> Job:
    """One server rank and, in each of `directories`, a model of `ranks` ranks that logs to `model.log.<rank>`."""
    models = [Program(model_argv, ranks, directory, directory / MODEL_LOG) for directory in directories]
    # A model that finds no server would start stand-alone and leave the server waiting.
    return Job((Program(server_argv), *models), {"NEMO_BRIDGE_SERVER": "required"})


def model_over_zmq(
    model_argv: Sequence[str],
    ranks: int,
    directory: Path,
    endpoint: str,
    instance: int = 0,
    keys: Path | None = None,
) -> Job:
    """A model instance as a job of its own that meets its server at a ZMQ `endpoint`; it logs to `model.log.<rank>`."""
    environment = {"NEMO_BRIDGE_ENDPOINT": endpoint, "NEMO_BRIDGE_INSTANCE": str(instance)}
    if keys is not None:
        environment["NEMO_BRIDGE_KEYS"] = str(keys)
    return Job((Program(model_argv, ranks, directory, directory / MODEL_LOG),), environment)


# --- command line and environment ---------------------------------------------------------------------------


def mpirun_command(job: Job) -> list[str]:
    """`mpirun … -n 1 server : -n 4 model`, for Open MPI, MPICH and other Hydra launchers."""
    command = [_launcher()]
    if _flavour() == "open-mpi":
        # Ranks of two jobs on one machine must not be pinned to the same cores.
        command += ["--bind-to", "none"]
    for position, program in enumerate(job.programs):
        if program.ranks < 1:
            raise ConfigurationError(f"{program.argv[0]}: ranks should be at least 1, got {program.ranks}")
        command += [":"] if position else []
        command += ["-n", str(program.ranks)]
        if program.directory is not None:
            command += ["-wdir", str(program.directory)]
        command += _logged(program)
    return command


def shell_line(job: Job) -> str:
    """The command line with the settings that this machine needs, for a shell."""
    settings = mpi_environment(job.ranks, {}) | dict(job.environment)
    return shlex.join(["env", *(f"{name}={value}" for name, value in settings.items()), *mpirun_command(job)])


def mpi_environment(ranks: int, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment for a job of `ranks` ranks: `base` (default: this process's) with what mpirun needs."""
    environment = dict(os.environ if base is None else base)
    for name in [name for name in environment if _RANK_VARIABLE.match(name)]:
        del environment[name]  # a job started inside another must not take itself for a part of it
    defaults = {
        "OMPI_MCA_mpi_yield_when_idle": "1",
        # Containers often forbid the single-copy system call; Open MPI would warn for each rank.
        "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
        "OMP_NUM_THREADS": "1",
        # glibc gives large temporaries back to the kernel at once and fetches them again a moment later: the
        # page faults cost a compiled JAX step as much as its arithmetic.
        "MALLOC_MMAP_THRESHOLD_": "4000000000",
        "MALLOC_TRIM_THRESHOLD_": "8000000000",
        "MALLOC_TOP_PAD_": "200000000",
    }
    if os.geteuid() == 0:
        defaults |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    if ranks > physical_cores():
        defaults |= {
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        }
    return defaults | environment


#: what launchers set for a rank: Open MPI and PMIx, MPICH and Hydra, Slurm steps
_RANK_VARIABLE = re.compile(
    r"^(OMPI_COMM_WORLD|OMPI_UNIVERSE|OMPI_APP|OMPI_FILE|OMPI_FIRST|OMPI_NUM_APP|PMIX_|PMI_)"
)


def inside_mpi_job(environment: Mapping[str, str] | None = None) -> bool:
    """Was this process started as one of several ranks by mpirun or srun?"""
    environment = os.environ if environment is None else environment
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"):
        if environment.get(name, "").isdigit():
            return int(environment[name]) > 1
    return "PMIX_RANK" in environment


@functools.cache
def physical_cores() -> int:
    """Cores that this process may use, hyper-threads counted once (as mpirun counts its slots)."""
    allowed = os.sched_getaffinity(0)
    cores = set()
    for processor in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text().strip())
        except OSError:
            cores.add(str(processor))
    return len(cores)


def _launcher() -> str:
    found = shutil.which("mpirun") or shutil.which("mpiexec")
    if found is None:
        raise ConfigurationError(
            "mpirun not found: install Open MPI (Debian: apt-get install openmpi-bin libopenmpi-dev)"
        )
    return found


@functools.cache
def _flavour() -> str:
    done = subprocess.run([_launcher(), "--version"], capture_output=True, text=True, timeout=30, check=False)
    return "open-mpi" if "Open MPI" in done.stdout or "OpenRTE" in done.stdout else "hydra"


def _logged(program: Program) -> list[str]:
    argv = [str(argument) for argument in program.argv]
    if program.log is None:
        return argv
    rank = "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}"
    return ["/bin/sh", "-c", f'exec "$0" "$@" > {shlex.quote(str(program.log))}.{rank} 2>&1', *argv]


# --- run directories ----------------------------------------------------------------------------------------


def make_run_directory(directory: Path) -> Path:
    """Make `directory` and return its absolute path; ConfigurationError if it cannot be one or be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{directory}: cannot be a run directory ({error.strerror})") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{directory}: cannot be a run directory (no permission to write)")
    return directory.resolve()
