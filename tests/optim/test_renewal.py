"""A server that is no part of an MPI job computes with the same number of threads as one that is: the same bits."""

import os
import sys

from bridge.launchers import OF_EVERY_JOB
from optim.cli.renewal import renew_as_server


def test_process_is_renewed_once_and_keeps_what_the_user_has_set(monkeypatch) -> None:
    started: list[tuple] = []
    monkeypatch.setattr(os, "execve", lambda *call: started.append(call))
    monkeypatch.setattr(sys, "argv", ["nemo-bridge", "tune", "exp.toml", "--transport", "zmq"])
    for name in OF_EVERY_JOB:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    renew_as_server()
    [(program, argv, environment)] = started
    assert program == sys.executable
    assert argv == [sys.executable, "-m", "optim.cli", "tune", "exp.toml", "--transport", "zmq"]
    assert environment == {**os.environ, **OF_EVERY_JOB, "OMP_NUM_THREADS": "3"}

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    renew_as_server()
    assert len(started) == 1
