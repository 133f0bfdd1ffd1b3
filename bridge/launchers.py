"""How each launcher starts a job: Open MPI's mpirun (4 and 5), MPICH's mpiexec, Slurm's srun."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.errors import ConfigurationError
from bridge.job import Job, Program
from bridge.surroundings import physical_cores, without_rank_variables


class Launcher(Protocol):
    """A program that starts the ranks of a job."""

    def command(self, job: Job) -> list[str]:
        """The command line; ConfigurationError for a job that this launcher cannot start."""
        ...

    def settings(self) -> dict[str, str]:
        """Environment variables that it needs, and their values where the user has set none."""
        ...

    def files(self, job: Job) -> dict[Path, str]:
        """Files that the command line names, and what must be in them."""
        ...


def environment_of(launcher: Launcher, job: Job, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment to start `job` in: what the launcher needs, `base` (default: this process's), what the job sets."""
    return launcher.settings() | without_rank_variables(base) | dict(job.environment)


#: of every job, whatever starts it
OF_EVERY_JOB = {
    "OMP_NUM_THREADS": "1",
    # glibc gives large temporaries back to the kernel at once and fetches them again a moment later: the
    # page faults cost a compiled JAX step as much as its arithmetic.
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "200000000",
}


#: what a user may have set for the ranks of a model, on other machines too
_OF_THE_USER = (
    "NEMO_BRIDGE_PATIENCE",
    "NEMO_BRIDGE_SPIN",
    "NEMO_BRIDGE_SHARED_MEMORY",
    "NEMO_BRIDGE_LIBZMQ",
)


# --- Open MPI ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenMpi:
    """`mpirun` of Open MPI 4 or 5."""

    version: int = 4
    program: str = "mpirun"

    def command(self, job: Job) -> list[str]:
        """`mpirun --bind-to none -n 1 server : -n 4 model`."""
        # Ranks of two jobs on one machine must not be pinned to the same cores.
        command = [self.program, "--bind-to", "none"]
        if job.ranks > physical_cores():
            command += ["--oversubscribe"] if self.version < 5 else ["--map-by", ":OVERSUBSCRIBE"]
        return command + _with_colons(job, lambda program: self._program(program, job))

    def _program(self, program: Program, job: Job) -> list[str]:
        # Remote ranks get no other variables than these and OMPI_*; -x counts for one program only.
        given = [name for name in _OF_THE_USER if os.environ.get(name)]
        exported = [
            word for name in dict.fromkeys((*OF_EVERY_JOB, *given, *job.environment)) for word in ("-x", name)
        ]
        folder = [] if program.directory is None else ["--wdir", str(program.directory)]
        return ["-n", str(program.ranks), *exported, *folder, *_logged(program)]

    def settings(self) -> dict[str, str]:
        settings = OF_EVERY_JOB | _open_mpi_library(self.version)
        if os.geteuid() == 0:
            settings |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return settings

    def files(self, job: Job) -> dict[Path, str]:
        return {}


def _open_mpi_library(version: int) -> dict[str, str]:
    """Settings of Open MPI's library, whatever starts the ranks."""
    # Containers often forbid the single-copy system call; Open MPI would warn for each rank.
    no_single_copy = (
        {"OMPI_MCA_btl_vader_single_copy_mechanism": "none"} if version < 5 else {"OMPI_MCA_smsc": "^cma"}
    )
    return {"OMPI_MCA_mpi_yield_when_idle": "1"} | no_single_copy


# --- MPICH ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mpich:
    """`mpiexec` of MPICH and its relatives (Hydra): the environment reaches every rank, nothing is pinned."""

    program: str = "mpiexec"

    def command(self, job: Job) -> list[str]:
        """`mpiexec -n 1 server : -n 4 model`."""
        return [self.program, *_with_colons(job, self._program)]

    def _program(self, program: Program) -> list[str]:
        folder = [] if program.directory is None else ["-wdir", str(program.directory)]
        return ["-n", str(program.ranks), *folder, *_logged(program)]

    def settings(self) -> dict[str, str]:
        return dict(OF_EVERY_JOB)

    def files(self, job: Job) -> dict[Path, str]:
        return {}


def _with_colons(job: Job, words: Callable[[Program], list[str]]) -> list[str]:
    """The programs of a job as mpirun takes them: `words` of each, with a colon between."""
    line: list[str] = []
    for program in _checked(job):
        line += [":"] if line else []
        line += words(program)
    return line


def _logged(program: Program) -> list[str]:
    argv = [str(argument) for argument in program.argv]
    if program.log is None:
        return argv
    rank = "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}"
    return ["/bin/sh", "-c", f'exec "$0" "$@" > {shlex.quote(str(program.log))}.{rank} 2>&1', *argv]


# --- Slurm ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Srun:
    """Steps of a Slurm allocation: several programs with `--multi-prog` and a table of ranks, one alone without.

    `table`: the file for the table. `pmi`: how ranks find each other, pmix for Open MPI, pmi2 for MPICH.
    """

    table: Path
    pmi: str = "pmix"

    def command(self, job: Job) -> list[str]:
        """`srun --ntasks 5 --multi-prog TABLE`, or `srun --ntasks 4 model`."""
        programs = _checked(job)
        # Without --kill-on-bad-exit the others wait for a dead rank. --overlap lets steps share the allocation.
        command = ["srun", "--ntasks", str(job.ranks), f"--mpi={self.pmi}", "--kill-on-bad-exit=1"]
        command += ["--cpu-bind=none", "--overlap"]
        if len(programs) > 1:
            return [*command, "--label", "--multi-prog", str(self.table)]
        (program,) = programs
        command += [] if program.directory is None else ["--chdir", str(program.directory)]
        # srun puts ranks, jobs, users in place of %t, %j, %u
        command += [] if program.log is None else ["--output", str(program.log).replace("%", "%%") + ".%t"]
        return [*command, *map(str, program.argv)]

    def settings(self) -> dict[str, str]:
        return OF_EVERY_JOB | (_open_mpi_library(4) | _open_mpi_library(5) if self.pmi == "pmix" else {})

    def files(self, job: Job) -> dict[Path, str]:
        """The table: ranks, and the command line of each."""
        if len(job.programs) == 1:
            return {}
        lines, first = [], 0
        for position, program in enumerate(_checked(job)):
            last = first + program.ranks - 1
            ranks = str(first) if first == last else f"{first}-{last}"
            lines.append(" ".join([ranks, *map(_table_word, _placed(program, position))]) + "\n")
            first = last + 1
        return {self.table: "".join(lines)}


def server_step(argv: Sequence[str]) -> list[str]:
    """A step of one process without MPI, on the first node of the allocation: the server of a model over ZMQ."""
    where = ["--nodes=1", "--relative=0", "--ntasks=1", "--mpi=none", "--cpu-bind=none", "--overlap"]
    return ["srun", *where, *map(str, argv)]


def _placed(program: Program, position: int) -> list[str]:
    """The program in its directory, told its position in the job, which is a model's label: srun tells only its own."""
    argv = [str(argument) for argument in program.argv]
    if program.directory is None:
        return argv
    return ["env", "-C", str(program.directory), f"NEMO_BRIDGE_INSTANCE={position}", *argv]


def _table_word(word: str) -> str:
    """The word, unless srun would read it differently: its table knows no quotes, and % stands for ranks."""
    if not word or re.search(r"[\s%\"'\\#]", word):
        raise ConfigurationError(
            f"srun --multi-prog cannot be given {word!r}: choose paths without blanks, quotes, % and #"
        )
    return word


def _checked(job: Job) -> Sequence[Program]:
    for program in job.programs:
        if program.ranks < 1:
            raise ConfigurationError(f"{program.argv[0]}: ranks should be at least 1, got {program.ranks}")
    return job.programs


# --- which one --------------------------------------------------------------------------------------------------

NAMES = ("open-mpi-4", "open-mpi-5", "mpich", "srun")


def named(name: str, folder: Path, pmi: str | None = None) -> Launcher:
    """The launcher of that name; `folder` is where srun's table goes."""
    if name == "srun":
        return Srun(folder / "srun.conf", pmi or ("pmi2" if isinstance(_found(), Mpich) else "pmix"))
    launchers: dict[str, Launcher] = {
        "open-mpi-4": OpenMpi(4),
        "open-mpi-5": OpenMpi(5),
        "mpich": Mpich(),
    }
    if name not in launchers:
        raise ConfigurationError(f"the launcher should be one of {', '.join(NAMES)}, got {name!r}")
    return launchers[name]


def installed() -> Launcher:
    """The mpirun of this machine; ConfigurationError if there is none."""
    launcher = _found()
    if launcher is None:
        raise ConfigurationError(
            "mpirun not found: install Open MPI (Debian: apt-get install openmpi-bin libopenmpi-dev)"
        )
    return launcher


def _found() -> Launcher | None:
    path = shutil.which("mpirun") or shutil.which("mpiexec")
    return None if path is None else _told_by_its_version(path)


@functools.cache
def _told_by_its_version(path: str) -> Launcher:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    open_mpi = re.search(r"(?:Open MPI|OpenRTE)\)? *(\d*)", done.stdout)
    return OpenMpi(int(open_mpi[1] or 4), path) if open_mpi else Mpich(path)
