"""One place where an exception becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
import traceback

from bridge.errors import BridgeError, ConfigurationError, LedgerBusy, ModelCrashed
from bridge.launch import inside_mpi_job
from bridge.watch import leave_last_words
from optim.cli.interruption import AskedToEnd

UNFORESEEN, WRONG_USE, MODEL_FAILED, BUSY, INTERRUPTED = 1, 2, 4, 5, 130


def exit_code(error: BaseException) -> int:
    """The exit code that `error` stands for."""
    if isinstance(error, AskedToEnd):
        return 128 + error.number
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, LedgerBusy):
        return BUSY
    if isinstance(error, ConfigurationError):
        return WRONG_USE
    if isinstance(error, BridgeError):
        return MODEL_FAILED
    return UNFORESEEN


def explain(error: BaseException) -> None:
    """Say on standard error what happened: one message for errors that were foreseen, the traceback for others."""
    if exit_code(error) == UNFORESEEN:
        traceback.print_exception(error)
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, AskedToEnd | KeyboardInterrupt):
        reason = str(error) or "interrupted"
    if not isinstance(error, ModelCrashed):  # then the model's log knows more
        leave_last_words(reason)
    print(f"nemo-bridge: {reason}", file=sys.stderr, flush=True)


def end_rank(error: BaseException) -> None:
    """End this rank of an MPI job so that mpirun ends all others with the same non-zero code.

    A plain exit would run MPI_Finalize, which waits for the others for ever.
    """
    explain(error)
    sys.stdout.flush()
    os._exit(exit_code(error))


def main() -> None:
    """Entry point of the console script."""
    from optim.cli.app import app

    try:
        app()
    except SystemExit as ending:
        # Wrong arguments leave the same way: after MPI_Init, an exit with a code must not wait in MPI_Finalize.
        if ending.code not in (0, None) and inside_mpi_job():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ending.code if isinstance(ending.code, int) else UNFORESEEN)
        raise
    except BaseException as error:
        if inside_mpi_job():
            end_rank(error)
        explain(error)
        sys.exit(exit_code(error))
