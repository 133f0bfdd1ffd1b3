"""`nemo-bridge keys`: keys for a server and its models on different machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def keys(
    directory: Annotated[Path, typer.Argument(help="where the keys are kept; made if it is not there")],
    model: Annotated[
        str | None, typer.Option(help="make keys for a further model of this name, for the server there")
    ] = None,
) -> None:
    """Make keys (CURVE) for talking over ZMQ beyond this machine: one pair for the server, one for the model.

    The server reads the whole directory. A model needs server.public, model.public and model.secret, which you
    copy to its machine; of a further model, rename its two files there to model.*. Both find their directory in
    NEMO_BRIDGE_KEYS.
    """
    from bridge.transport.keys import write_pair
    from bridge.transport.zmq_transport import new_key_pair

    for name in ("server", "model") if model is None else (model,):
        for file in write_pair(directory, name, new_key_pair):
            typer.echo(file)
