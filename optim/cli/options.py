"""Options of several commands that take the place of entries of [model]."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class TransportName(str, Enum):
    """How messages travel."""

    MPI = "mpi"
    ZMQ = "zmq"


Ranks = Annotated[int | None, typer.Option(help="ranks of the model, instead of the file's")]
Transport = Annotated[
    TransportName | None,
    typer.Option(help="mpi: one job of server and model; zmq: the model is a job of its own"),
]
Instances = Annotated[int | None, typer.Option(help="instances of the model, for runs at the same time")]
Endpoint = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="over ZMQ: where they meet [default: ipc path in the run directory]"
    ),
]
ServeOnly = Annotated[
    bool,
    typer.Option(
        "--serve-only", help="over ZMQ: print the models' commands, and wait until others start them"
    ),
]
Keys = Annotated[Path | None, typer.Option(help="over ZMQ: directory of keys (`nemo-bridge keys`)")]


def of_model(
    ranks: int | None,
    transport: TransportName | None = None,
    instances: int | None = None,
    endpoint: str | None = None,
    keys: Path | None = None,
) -> dict[str, Any]:
    """Entries of [model] as options give them; None: not given."""
    return {
        "ranks": ranks,
        "transport": transport.value if transport is not None else None,
        "instances": instances,
        "endpoint": endpoint,
        "keys": str(keys.resolve()) if keys is not None else None,
    }
