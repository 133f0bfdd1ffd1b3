"""Being the server rank of an MPI job, whoever started it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.errors import ConfigurationError
from bridge.namelist import Namelist
from optim.cli.exit_codes import end_rank

if TYPE_CHECKING:
    from bridge.session import Session


def enable_float64() -> None:
    """Differentiated code refuses to run in single precision; programs choose, libraries do not."""
    import jax

    jax.config.update("jax_enable_x64", True)


@contextmanager
def live_session(timeout: float, expected: Namelist | None = None) -> Iterator[Session]:
    """The model of this MPI job. Whatever is raised inside ends the whole job with the right exit code.

    With `expected`, ConfigurationError if the running model's parameters differ from that namelist: a user's own
    mpirun may have started it in another directory than the experiment file means.
    """
    from bridge.session import Session

    with Session.over_mpi(timeout=timeout) as session:
        try:
            if expected is not None:
                check_parameters(session, expected)
            yield session
        except BaseException as error:
            end_rank(error)


def check_parameters(session: Session, expected: Namelist) -> None:
    """ConfigurationError when a scalar parameter of the running model is not what the namelist says."""
    differences = []
    for name, value in session.describe().parameters.items():
        group, _, entry = name.partition("/")
        known = expected.groups.get(group.lower(), {}).get(entry.lower())
        if isinstance(known, int | float) and isinstance(value, int | float) and float(known) != float(value):
            differences.append(f"{name}: {value} in the model, {known} in the file")
    if differences:
        raise ConfigurationError(
            f"the running model was not started with {expected.source}:\n  " + "\n  ".join(differences)
        )


def progress_printer() -> Callable[[str], None]:
    """A function that prints a line with the time since now in front, at once."""
    began = time.monotonic()

    def show(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {line}", file=sys.stdout, flush=True)

    return show
