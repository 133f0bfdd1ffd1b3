"""Launching: command lines, environment, run directories, and jobs that end whatever happens to them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.launch import Job, Program

SLEEPER = "import time, sys; print('up', flush=True); time.sleep(60)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_command_line_has_one_part_per_program(tmp_path: Path) -> None:
    job = Job((Program(["server", "a b"]), Program(["model"], 3, tmp_path)))
    command = launch.mpirun_command(job)
    text = " ".join(command)
    assert text.index("-n 1 server a b") < text.index(": -n 3")
    assert command[command.index("-wdir") + 1] == str(tmp_path)
    assert "a b" in command, "arguments are not split at blanks"


def test_ranks_must_be_positive() -> None:
    with pytest.raises(ConfigurationError, match="at least 1, got 0"):
        launch.mpirun_command(Job((Program(["model"], 0),)))


def test_environment_leaves_the_job_it_was_started_in() -> None:
    environment = launch.mpi_environment(1, {"OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3", "HOME": "/h"})
    assert environment["HOME"] == "/h"
    assert not {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"} & set(environment)


def test_oversubscribes_only_when_needed() -> None:
    cores = launch.physical_cores()
    assert "OMPI_MCA_rmaps_base_oversubscribe" not in launch.mpi_environment(cores, {})
    assert launch.mpi_environment(cores + 1, {})["OMPI_MCA_rmaps_base_oversubscribe"] == "1"


def test_the_users_own_settings_win() -> None:
    environment = launch.mpi_environment(1, {"OMPI_MCA_mpi_yield_when_idle": "0"})
    assert environment["OMPI_MCA_mpi_yield_when_idle"] == "0"


@pytest.mark.parametrize(
    ("environment", "inside"),
    [
        ({}, False),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "3"}, True),
        ({"PMI_SIZE": "2"}, True),
    ],
)
def test_a_rank_of_a_job_is_recognised(environment: dict[str, str], inside: bool) -> None:
    assert launch.inside_mpi_job(environment) is inside


def test_a_run_directory_is_not_reused_by_accident(tmp_path: Path) -> None:
    directory = launch.prepare_run_directory(tmp_path / "run")
    (directory / "file").write_text("a result")
    with pytest.raises(ConfigurationError, match="--resume"):
        launch.prepare_run_directory(tmp_path / "run")
    assert launch.prepare_run_directory(tmp_path / "run", resume=True) == directory
    with pytest.raises(ConfigurationError, match="nothing to resume"):
        launch.prepare_run_directory(tmp_path / "other", resume=True)


def test_log_tail_shows_equal_logs_once(tmp_path: Path) -> None:
    for rank in (1, 2):
        (tmp_path / f"model.log.{rank}").write_text("\n".join(f"line {n}" for n in range(100)))
    (tmp_path / "model.log.3").write_text("E R R O R: out of water\n")
    tail = launch.log_tail(tmp_path, lines=2)
    assert tail.count("line 99") == 1 and "model.log.1, model.log.2" in tail
    assert "out of water" in tail and "line 90" not in tail


def test_a_job_that_succeeds_returns_zero_and_logs_the_model(tmp_path: Path) -> None:
    code = launch.run_job(python("print('server')"), python("print('hello from the model')"), 2, tmp_path)
    assert code == 0
    logs = sorted(tmp_path.glob("model.log.*"))
    assert len(logs) == 2 and all("hello from the model" in log.read_text() for log in logs)


def test_a_failing_model_ends_the_server_and_shows_its_log(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    model = python("import sys; print('E R R O R: too salty', flush=True); sys.exit(5)")
    started = time.monotonic()
    code = launch.run_job(python(SLEEPER), model, 1, tmp_path)
    assert code == 5
    assert "too salty" in capfd.readouterr().err
    assert time.monotonic() - started < 30, "the server slept on"


def test_a_program_that_does_not_exist_fails(tmp_path: Path) -> None:
    assert launch.run_job(["/nowhere/server"], python("pass"), 1, tmp_path) != 0


WATCHER = """
import sys
from pathlib import Path
from bridge import launch
sleeper = [sys.executable, "-c", {sleeper!r}]
print("watching", flush=True)
sys.exit(launch.run_job(sleeper, sleeper, 2, Path(sys.argv[1])))
"""


@pytest.fixture
def watched_job(tmp_path: Path):
    """A running job of three sleeping ranks: (the watcher, mpirun's pid)."""
    watcher = subprocess.Popen(
        python(WATCHER.format(sleeper=SLEEPER)) + [str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        mpirun = _child_of(watcher.pid)
        _wait_until(lambda: len(list(tmp_path.glob("model.log.*"))) == 2, "the ranks are up")
        _wait_until(
            lambda: all("up" in log.read_text() for log in tmp_path.glob("model.log.*")), "the ranks spoke"
        )
        yield watcher, mpirun
    finally:
        for process in [*launch.session_members(mpirun), watcher.pid]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        watcher.communicate()


def test_killing_mpirun_ends_the_ranks_with_a_message(watched_job: tuple) -> None:
    watcher, mpirun = watched_job
    os.kill(mpirun, signal.SIGKILL)
    _, errors = watcher.communicate(timeout=20)
    assert watcher.returncode == 137
    assert "mpirun was killed (SIGKILL)" in errors
    assert launch.session_members(mpirun) == []


def test_killing_a_rank_ends_the_job(watched_job: tuple) -> None:
    watcher, mpirun = watched_job
    victim = next(process for process in launch.session_members(mpirun) if process != mpirun)
    os.kill(victim, signal.SIGKILL)
    watcher.communicate(timeout=20)
    assert watcher.returncode not in (0, None)
    assert launch.session_members(mpirun) == []


def test_killing_the_watcher_ends_the_job(watched_job: tuple) -> None:
    watcher, mpirun = watched_job
    watcher.kill()
    watcher.wait()
    _wait_until(lambda: not launch.session_members(mpirun), "the job ended", seconds=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_passed_on(watched_job: tuple, number: signal.Signals) -> None:
    watcher, mpirun = watched_job
    watcher.send_signal(number)
    _, errors = watcher.communicate(timeout=30)
    assert watcher.returncode == 128 + number
    assert f"stopped by {number.name}" in errors
    assert launch.session_members(mpirun) == []


def _child_of(parent: int) -> int:
    children: list[int] = []

    def look() -> bool:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        children[:] = [int(word) for word in text if b"-wdir" in Path(f"/proc/{word}/cmdline").read_bytes()]
        return bool(children)

    _wait_until(look, "mpirun started")
    return children[0]


def _wait_until(condition, what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.1)
