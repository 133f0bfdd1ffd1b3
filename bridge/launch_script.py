"""The lines that start a tuning job, for a shell or a batch script: one MPI job, or a server and models over ZMQ."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from bridge.job import Job
from bridge.launchers import Launcher, Srun, environment_of, server_step

#: seconds that the server has to say what became of its models when all have failed
_LAST_WORD = 10


def mpi_script(launcher: Launcher, job: Job, prepare: Sequence[str]) -> str:
    """Server and model as one MPI job; `prepare` is the command that fills the run directory."""
    return _script(
        *_exports(environment_of(launcher, job, {})),
        _quiet(prepare),
        *_files(launcher, job),
        _broken_at_colons(launcher.command(job)),
    )


def zmq_script(
    launcher: Launcher, server: Sequence[str], models: Sequence[Job], prepare: Sequence[str]
) -> str:
    """A server, and models in jobs of their own; the exit code is the server's, which knows how the models ended."""
    server = server_step(server) if isinstance(launcher, Srun) else server
    pids = [f"model_{number}" for number in range(len(models))]
    starts = [
        f"{shlex.join([*_env(model.environment), *launcher.command(model)])} & {pid}=$!"
        for pid, model in zip(pids, models, strict=True)
    ]
    return _script(
        *_exports(launcher.settings()),
        _quiet(prepare),
        f"{shlex.join(server)} & server=$!",
        *starts,
        # A server that has lost all its models would wait for others.
        " || ".join(
            [*(f"wait ${pid}" for pid in pids), f"timeout {_LAST_WORD} tail --pid=$server -f /dev/null"]
        )
        + " || kill $server",
        "wait $server",
    )


def _script(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _exports(settings: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]


def _env(settings: Mapping[str, str]) -> list[str]:
    return ["env", *(f"{name}={value}" for name, value in settings.items())]


def _quiet(command: Sequence[str]) -> str:
    return f"{shlex.join(command)} > /dev/null"


def _files(launcher: Launcher, job: Job) -> list[str]:
    return [
        f"cat > {shlex.quote(str(path))} <<'END'\n{text}END" for path, text in launcher.files(job).items()
    ]


def _broken_at_colons(command: Sequence[str]) -> str:
    """The command line, one program to a line."""
    return " ".join("\\\n  :" if word == ":" else shlex.quote(word) for word in command)
