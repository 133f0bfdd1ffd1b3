"""How coupled tests start a server script and a model as one MPI job, and see that nothing is left of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.guard import end_session, session_members

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not: for `import tuning_jobs`
from tuning_jobs import EXPERIMENT, NAMELIST, Tuning

#: seconds after which a job counts as hung
TIMEOUT = 60


@dataclass(frozen=True)
class Ended:
    """A job that has ended: exit code, output of all processes, seconds it took."""

    code: int
    output: str
    seconds: float


@dataclass
class CoupledJobs:
    """Starts `python <script> : <program>` jobs; scripts find the folder for results in sys.argv[1]."""

    mpirun: list[str]
    environment: dict[str, str]
    executable: Callable[[str], Path]
    directory: Path

    def command(self, script: str, ranks: int, program: str, arguments: tuple[str, ...]) -> list[str]:
        """mpirun's command line for a server `script` and a model on `ranks` ranks."""
        file = self.directory / "server.py"
        file.write_text(script)
        server = ["-n", "1", sys.executable, str(file), str(self.directory)]
        model = ["-n", str(ranks), str(self.executable(program)), *arguments]
        return [*self.mpirun, *server, ":", *model]

    @contextmanager
    def started(
        self, script: str, ranks: int = 2, program: str = "shallow_water", arguments: tuple[str, ...] = ()
    ) -> Iterator[subprocess.Popen[str]]:
        """A running job, in a session of its own, of which nothing survives the block."""
        with self.launched(self.command(script, ranks, program, arguments)) as job:
            yield job

    def run(
        self, script: str, ranks: int = 2, program: str = "shallow_water", arguments: tuple[str, ...] = ()
    ) -> Ended:
        """Run a job to its end."""
        with self.started(script, ranks, program, arguments) as job:
            return self.ended(job)

    def run_alone(self, ranks: int, program: str, arguments: tuple[str, ...], **environment: str) -> Ended:
        """Run a model without a server."""
        command = [*self.mpirun, "-n", str(ranks), str(self.executable(program)), *arguments]
        with self.launched(command, environment) as job:
            return self.ended(job)

    def ended(self, job: subprocess.Popen[str]) -> Ended:
        """Wait for the end of a job; fail the test if it hangs, or if processes of it stay behind."""
        start = time.monotonic()
        try:
            output = job.communicate(timeout=TIMEOUT)[0]
        except subprocess.TimeoutExpired:
            end_session(job.pid)
            pytest.fail(f"the job hung; its output:\n{job.communicate()[0]}")
        seconds = time.monotonic() - start
        deadline = time.monotonic() + 10  # mpirun gone, its ranks notice within seconds
        while (left := session_members(job.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left, f"processes {left} were left behind; output:\n{output}"
        return Ended(job.returncode, output, seconds)

    @contextmanager
    def launched(
        self, command: list[str], environment: dict[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        job = subprocess.Popen(
            command,
            env=self.environment | (environment or {}),
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield job
        finally:
            end_session(job.pid)
            job.wait()


@pytest.fixture(scope="session")
def make_jobs(
    mpirun: list[str], mpi_environment: dict[str, str], executable: Callable[[str], Path]
) -> Callable[[Path], CoupledJobs]:
    """`make_jobs(directory)`: coupled jobs that keep their files in `directory`."""
    return lambda directory: CoupledJobs(mpirun, mpi_environment, executable, directory)


@pytest.fixture
def jobs(make_jobs: Callable[[Path], CoupledJobs], tmp_path: Path) -> CoupledJobs:
    """Coupled jobs in a folder of this test."""
    return make_jobs(tmp_path)


@dataclass
class SeparateJobs:
    """A server script and a model as two jobs that meet at a ZMQ endpoint: folder and endpoint in sys.argv[1:3]."""

    jobs: CoupledJobs
    endpoint: str
    environment: dict[str, str]

    def server(self, script: str, **environment: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """The running server."""
        file = self.jobs.directory / "server.py"
        file.write_text(script)
        command = [sys.executable, str(file), str(self.jobs.directory), self.endpoint]
        return self.jobs.launched(command, self.environment | environment)

    def model(
        self,
        ranks: int = 2,
        program: str = "shallow_water",
        arguments: tuple[str, ...] = (),
        **environment: str,
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """The running model."""
        command = [*self.jobs.mpirun, "-n", str(ranks), str(self.jobs.executable(program)), *arguments]
        settings = {"NEMO_BRIDGE_ENDPOINT": self.endpoint} | self.environment | environment
        return self.jobs.launched(command, settings)

    def run(
        self, script: str, ranks: int = 2, program: str = "shallow_water", arguments: tuple[str, ...] = ()
    ) -> tuple[Ended, Ended]:
        """Run both to their ends: server, model."""
        with self.server(script) as server, self.model(ranks, program, arguments) as model:
            return self.jobs.ended(server), self.jobs.ended(model)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def meeting(jobs: CoupledJobs, way: str, **environment: str) -> SeparateJobs:
    """Two jobs and where they meet, over "ipc" or "tcp"; settings of both."""
    endpoint = f"ipc://{jobs.directory}/meet" if way == "ipc" else f"tcp://127.0.0.1:{free_port()}"
    return SeparateJobs(jobs, endpoint, environment)


@pytest.fixture(scope="session")
def make_meeting() -> Callable[..., SeparateJobs]:
    """`make_meeting(jobs, "ipc")`, for jobs in any folder."""
    return meeting


@pytest.fixture
def meet(jobs: CoupledJobs) -> Callable[..., SeparateJobs]:
    """`meet("ipc")` or `meet("tcp", NAME="value")`: two jobs and where they meet; settings of both."""
    return partial(meeting, jobs)


@pytest.fixture
def fault() -> Callable[..., None]:
    """`fault(case, way, message, ended)`: a row for docs/faults.md, in the file that scripts/fault_table.py names."""

    def row(case: str, way: str, message: str, ended: Any) -> None:
        codes = [ended.code] if hasattr(ended, "code") else [ended.server, ended.model]
        if file := os.environ.get("NEMO_BRIDGE_FAULTS"):
            with open(file, "a") as stream:
                stream.write(json.dumps([case, way, message, codes, ended.seconds]) + "\n")

    return row


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`small_disk("300k")`: a folder on a file system of its own that has so much room."""
    if os.geteuid() != 0:
        pytest.skip("a file system that fills up has to be mounted: needs root")
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        (folder := tmp_path / f"disk{len(mounted)}").mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=20)


def ranks_of(job: subprocess.Popen[str], name: str) -> list[int]:
    """Process ids of the job's processes whose command line contains `name`."""
    return [p for p in session_members(job.pid) if name in _command_line(p) and p != job.pid]


def _command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.fixture
def processes() -> Callable[[subprocess.Popen[str], str], list[int]]:
    """`processes(job, name)`: process ids of a job whose command line contains `name`."""
    return ranks_of


@pytest.fixture(scope="session")
def make_tuning(mpirun: list[str], mpi_environment: dict[str, str], executable) -> Callable[[Path], Tuning]:
    program = executable("toy_ocean")
    environment = mpi_environment | {"NEMO_BRIDGE_BUILD": str(program.parent)}

    def make(folder: Path) -> Tuning:
        (folder / "exp.toml").write_text(EXPERIMENT)
        (folder / "namelist_cfg").write_text(NAMELIST)
        return Tuning(folder, mpirun, environment, program)

    return make


@pytest.fixture
def tuning(make_tuning, tmp_path: Path) -> Tuning:
    return make_tuning(tmp_path)


@pytest.fixture(scope="session")
def reference(make_tuning, tmp_path_factory) -> Tuning:
    """The experiment done without any disturbance."""
    tuning = make_tuning(tmp_path_factory.mktemp("reference"))
    done = tuning.call(tuning.command)
    assert done.returncode == 0, done.stdout + done.stderr
    return tuning
