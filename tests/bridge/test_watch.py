"""Jobs that end whatever happens to them, and say why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge import guard, started_job, watch
from bridge.guard import session_members
from bridge.launch import Job, Program
from bridge.model_jobs import ModelJobs

SLEEPER = "import time, sys; print('up', flush=True); time.sleep(60)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_log_tail_shows_equal_logs_once(tmp_path: Path) -> None:
    for rank in (1, 2):
        (tmp_path / f"model.log.{rank}").write_text("\n".join(f"line {n}" for n in range(100)))
    (tmp_path / "model.log.3").write_text("E R R O R: out of water\n")
    tail = started_job.log_tail(tmp_path, lines=2)
    assert tail.count("line 99") == 1 and "model.log.1, model.log.2" in tail
    assert "out of water" in tail and "line 90" not in tail


def test_a_job_that_succeeds_returns_zero_and_logs_the_model(tmp_path: Path) -> None:
    code = watch.run_job(python("print('server')"), python("print('hello from the model')"), 2, tmp_path)
    assert code == 0
    logs = sorted(tmp_path.glob("model.log.*"))
    assert len(logs) == 2 and all("hello from the model" in log.read_text() for log in logs)


def test_a_failing_model_ends_the_server_and_shows_its_log(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    model = python("import sys; print('E R R O R: too salty', flush=True); sys.exit(5)")
    started = time.monotonic()
    code = watch.run_job(python(SLEEPER), model, 1, tmp_path)
    assert code == 5
    assert "too salty" in capfd.readouterr().err
    assert time.monotonic() - started < 30, "the server slept on"


def test_the_reason_of_the_server_is_said_last(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    server = python(
        "import sys; from bridge.watch import leave_last_words; leave_last_words('no more salt'); sys.exit(3)"
    )
    assert watch.run_job(server, python(SLEEPER), 1, tmp_path) == 3
    assert capfd.readouterr().err.rstrip().endswith("nemo-bridge: no more salt")


def test_a_full_disk_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started_job, "FULL_DISK", 10**18)  # any file system counts as full
    assert watch.run_job(python("pass"), python("import sys; sys.exit(1)"), 1, tmp_path) == 1
    assert "is full" in capfd.readouterr().err


def test_a_program_that_does_not_exist_fails(tmp_path: Path) -> None:
    assert watch.run_job(["/nowhere/server"], python("pass"), 1, tmp_path) != 0


WATCHER = """
import sys
from pathlib import Path
from bridge import guard, started_job, watch
sleeper = [sys.executable, "-c", {sleeper!r}]
print("watching", flush=True)
sys.exit(watch.run_job(sleeper, sleeper, 2, Path(sys.argv[1])))
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
        for process in [*session_members(mpirun), watcher.pid]:
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
    assert session_members(mpirun) == []


def test_killing_a_rank_ends_the_job(watched_job: tuple) -> None:
    watcher, mpirun = watched_job
    victim = next(process for process in session_members(mpirun) if process != mpirun)
    os.kill(victim, signal.SIGKILL)
    watcher.communicate(timeout=20)
    assert watcher.returncode not in (0, None)
    assert session_members(mpirun) == []


def test_killing_the_watcher_ends_the_job(watched_job: tuple) -> None:
    watcher, mpirun = watched_job
    watcher.kill()
    watcher.wait()
    _wait_until(lambda: not session_members(mpirun), "the job ended", seconds=20)


def test_a_guard_that_was_killed_is_replaced(watched_job: tuple) -> None:
    watcher, mpirun = watched_job
    first, second = _guards_of(watcher.pid)
    os.kill(first, signal.SIGKILL)
    _wait_until(lambda: set(_guards_of(watcher.pid)) - {first, second}, "there is another guard")
    assert second in _guards_of(watcher.pid)
    watcher.kill()
    watcher.wait()
    _wait_until(lambda: not session_members(mpirun), "the job ended", seconds=20)


def test_a_guard_of_a_model_over_zmq_is_replaced_too(tmp_path: Path) -> None:
    job = Job((Program(python(SLEEPER), 1, tmp_path, tmp_path / "model.log"),))
    with ModelJobs(lambda instance: job, 1) as jobs:
        jobs.tend(set())
        _wait_until(lambda: len(_guards_of(os.getpid())) == 2, "there are guards")
        first, second = _guards_of(os.getpid())
        os.kill(second, signal.SIGKILL)

        def replaced() -> bool:
            jobs.tend({0})  # the instance is here
            return bool(set(_guards_of(os.getpid())) - {first, second})

        _wait_until(replaced, "there is another guard")


@pytest.mark.parametrize("which", [0, 1])
def test_killing_a_guard_and_at_once_the_watcher_ends_the_job(watched_job: tuple, which: int) -> None:
    watcher, mpirun = watched_job
    os.kill(_guards_of(watcher.pid)[which], signal.SIGKILL)
    watcher.kill()
    watcher.wait()
    _wait_until(lambda: not session_members(mpirun), "the job ended", seconds=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_passed_on(watched_job: tuple, number: signal.Signals) -> None:
    watcher, mpirun = watched_job
    watcher.send_signal(number)
    _, errors = watcher.communicate(timeout=30)
    assert watcher.returncode == 128 + number
    assert f"stopped by {number.name}" in errors
    assert session_members(mpirun) == []


def _child_of(parent: int) -> int:
    children: list[int] = []

    def look() -> bool:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        children[:] = [int(word) for word in text if b"-wdir" in Path(f"/proc/{word}/cmdline").read_bytes()]
        return bool(children)

    _wait_until(look, "mpirun started")
    return children[0]


def _guards_of(parent: int) -> list[int]:
    """Living guards that the process has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(word) for word in children if b"bridge/guard.py" in Path(f"/proc/{word}/cmdline").read_bytes()
    ]


def _wait_until(condition, what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.1)


def test_a_launcher_whose_starter_dies_before_the_guard_is_there_never_begins(tmp_path: Path) -> None:
    # what start_guarded's shell does when the word does not come: its standard input ends
    begun = tmp_path / "begun"
    code = f"""
import os
from bridge import guard
guard.Guard = lambda session: os._exit(7)  # dies at this very moment
guard.start_guarded(["touch", {str(begun)!r}], os.environ)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 7
    time.sleep(1.0)
    assert not begun.exists()


def test_a_guard_whose_dismissal_was_interrupted_can_be_dismissed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = subprocess.Popen(["sleep", "60"], start_new_session=True)
    watchful = guard.Guard(job.pid)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(watchful._processes[0], "wait", interrupted)
        watchful.dismiss()
    watchful.dismiss()
    assert [process.returncode for process in watchful._processes] == [0, 0]
    assert job.poll() is None, "dismissed in peace"
    job.kill()
    job.wait()
