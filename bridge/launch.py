"""Starting an MPI job: command lines, environment, run directories, and a watch over the whole job."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import BridgeError, ConfigurationError

#: exit code of a job whose launcher was killed or could not be started
LAUNCHER_DIED = 137
#: seconds between the polite signal and the one that cannot be refused
GRACE = 5.0


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


def server_and_model(
    server_argv: Sequence[str], model_argv: Sequence[str], ranks: int, directory: Path
) -> Job:
    """One server rank and `ranks` model ranks; the model runs in `directory` and logs to `model.log.<rank>`."""
    server = Program(server_argv)
    model = Program(model_argv, ranks, directory, directory / "model.log")
    # A model that finds no server would start stand-alone and leave the server waiting.
    return Job((server, model), {"NEMO_BRIDGE_SERVER": "required"})


def run_job(server_argv: Sequence[str], model_argv: Sequence[str], ranks: int, directory: Path) -> int:
    """Run a server and a model to the end (`server_and_model`, `run`); the job's exit code."""
    return run(server_and_model(server_argv, model_argv, ranks, directory))


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


def prepare_run_directory(directory: Path, *, resume: bool = False) -> Path:
    """Make `directory`; unless `resume`, ConfigurationError if it already holds a run."""
    if directory.exists() and not directory.is_dir():
        raise ConfigurationError(f"{directory}: expected a folder for the run, found a file")
    if not resume and directory.is_dir() and any(directory.iterdir()):
        raise ConfigurationError(
            f"{directory} already holds a run: add --resume, or choose another --directory"
        )
    if resume and not directory.is_dir():
        raise ConfigurationError(f"{directory}: nothing to resume, there is no such run directory")
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


def log_tail(directory: Path, lines: int = 15) -> str:
    """Last lines of the logs in `directory` (`*.log*`, `ocean.output`); of several ranks, each different text once."""
    logs = sorted({*directory.glob("*.log*"), *directory.glob("ocean.output*")})
    pieces: dict[str, list[str]] = {}
    for log in logs:
        text = "\n".join(_last_lines(log, lines))
        if text:
            pieces.setdefault(text, []).append(log.name)
    return "\n".join(f"--- {', '.join(names)}\n{text}" for text, names in pieces.items())


def _last_lines(path: Path, lines: int) -> list[str]:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 200 * lines))
        return stream.read().decode(errors="replace").splitlines()[-lines:]


# --- starting and watching ------------------------------------------------------------------------------------


def run(job: Job, watch: Callable[[], None] | None = None) -> int:
    """Run `job` to its end and return its exit code, non-zero on any failure; `watch` is called twice a second.

    The job gets a session of its own. Ctrl-C and SIGTERM are passed on. No process of the job survives mpirun, nor
    this process, however they end. On failure the last lines of the programs' logs go to standard error.
    """
    command = mpirun_command(job)
    environment = mpi_environment(job.ranks) | dict(job.environment)
    with _Relay() as relay:
        try:
            launcher = subprocess.Popen(command, env=environment, start_new_session=True)
        except OSError as error:
            raise BridgeError(f"cannot start {command[0]}: {error}") from error
        relay.target = launcher
        try:
            with _Guard(launcher.pid):
                code = _wait(launcher, relay, watch)
        finally:
            survivors = end_session(launcher.pid)
    return _verdict(code, survivors, relay, job)


def _wait(launcher: subprocess.Popen, relay: _Relay, watch: Callable[[], None] | None) -> int:
    while True:
        try:
            return launcher.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            if watch is not None:
                watch()
            if relay.received and time.monotonic() - relay.received_at > GRACE:
                launcher.kill()


def _verdict(code: int, survivors: int, relay: _Relay, job: Job) -> int:
    """The job's exit code in the shell's convention (128 + signal), with a message on standard error if it failed."""
    if relay.received:
        _say(f"the job was stopped by {signal.Signals(relay.received).name}")
        return 128 + relay.received
    if code < 0:
        name = signal.Signals(-code).name
        _say(f"mpirun was killed ({name}); {survivors} surviving processes of the job were ended")
        code = 128 - code
    elif code > 0:
        _say(f"the job failed with exit code {code}")
    if code:
        for directory in {program.directory for program in job.programs if program.directory}:
            tail = log_tail(directory)
            if tail:
                _say(f"last lines of the logs in {directory}:\n{tail}")
    return code


def _say(text: str) -> None:
    print(f"nemo-bridge: {text}", file=sys.stderr, flush=True)


class _Relay:
    """Passes SIGINT, SIGTERM and SIGHUP on to the launcher instead of dying of them."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.target: subprocess.Popen | None = None
        self.received = 0
        self.received_at = 0.0

    def __enter__(self) -> _Relay:
        self._previous = {number: signal.signal(number, self._pass_on) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, _frame: object) -> None:
        if not self.received:
            self.received, self.received_at = number, time.monotonic()
        if self.target is not None and self.target.poll() is None:
            self.target.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)


class _Guard:
    """A process that ends the job's session if this process dies, however it dies.

    It waits on a pipe that the kernel closes when we are gone. (Asking the kernel to send mpirun a signal is
    not enough: mpirun sometimes leaves without its ranks.)
    """

    def __init__(self, session: int) -> None:
        code = f"from bridge.launch import guard; guard({session})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> _Guard:
        return self

    def __exit__(self, *_: object) -> None:
        try:  # the watch is over: say the word that lets the guard leave in peace
            self._process.communicate(b"done", timeout=GRACE)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


def guard(session: int) -> None:
    """Body of the guard process: wait for the word, or for the end of the process that should say it."""
    if not sys.stdin.buffer.read():
        survivors = end_session(session)
        _say(f"the launching process died; {survivors} processes of its job were ended")


def end_session(session: int, grace: float = 2.0) -> int:
    """End every process of the session: SIGTERM, then SIGKILL after `grace` seconds. How many there were.

    mpirun gives each rank its own process group, so the group does not reach them: the session does.
    """
    found = session_members(session)
    _signal_all(found, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (alive := session_members(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_all(alive, signal.SIGKILL)
    return len(found)


def session_members(session: int) -> list[int]:
    """Process ids of the living processes of a session."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        if fields[0] != "Z" and int(fields[3]) == session:
            members.append(int(entry.name))
    return members


def _signal_all(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass
