"""Keys for ZMQ beyond this machine: files of 40 characters each, in one directory.

    server.public  server.secret     of the server
    model.public   model.secret      of the model; further models have further names

A server takes every `*.public` of its directory, except its own, for a model that may come in. A model needs
`server.public`, `model.public` and `model.secret`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from bridge.errors import ConfigurationError

#: environment variable: the directory of keys, for server and model
KEYS = "NEMO_BRIDGE_KEYS"
_LENGTH = 40
_SERVER = "server"


def write_pair(directory: Path, name: str, new_pair: Callable[[], tuple[bytes, bytes]]) -> list[Path]:
    """Write `name`.public and `name`.secret (readable by the owner alone); ConfigurationError if they exist."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = [directory / f"{name}.public", directory / f"{name}.secret"]
        for file in files:
            if file.exists():
                raise ConfigurationError(f"{file} exists: move it away if you want new keys")
        for file, key, mode in zip(files, new_pair(), (0o644, 0o600), strict=True):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(key + b"\n")
    except OSError as error:
        raise ConfigurationError(f"{directory}: cannot hold keys ({error.strerror})") from error
    return files


def server_pair(directory: Path) -> tuple[bytes, bytes]:
    """Public and secret key of the server; ConfigurationError if others may read the secret one."""
    secret = directory / f"{_SERVER}.secret"
    pair = _read(directory / f"{_SERVER}.public"), _read(secret)
    if secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{secret} can be read by others: chmod 600 {secret}")
    return pair


def known_models(directory: Path) -> dict[bytes, str]:
    """Public keys of the models that may come in, and their names; ConfigurationError if there is none."""
    known = {_read(file): file.stem for file in directory.glob("*.public") if file.stem != _SERVER}
    if not known:
        raise ConfigurationError(
            f"{directory} holds no public key of a model, so that none could come in: put its model.public there, "
            f"or make keys for one with `nemo-bridge keys {directory} --model model`"
        )
    return known


def is_local(endpoint: str) -> bool:
    """Is everything at this ZMQ endpoint on this machine? ConfigurationError if it is no endpoint."""
    transport, _, address = endpoint.partition("://")
    if transport == "ipc" and address.startswith(("/", "@", "*")):
        return True
    host, _, port = address.rpartition(":")
    if transport != "tcp" or not host or not (port == "*" or (port.isdecimal() and 0 < int(port) < 65536)):
        raise ConfigurationError(
            f"{endpoint} is no endpoint: expected tcp://host:port, ports being 1 to 65535, or ipc:///path"
        )
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:  # another name: it may mean any machine
        return False


def _read(file: Path) -> bytes:
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError as error:
        raise ConfigurationError(f"{file} is missing: make keys with `nemo-bridge keys`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: make keys with `nemo-bridge keys`") from error
    if not lines or len(lines[0].strip()) != _LENGTH:
        raise ConfigurationError(f"{file} is not a key: make keys with `nemo-bridge keys`")
    return lines[0].strip().encode()
