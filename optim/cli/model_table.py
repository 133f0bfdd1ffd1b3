"""The [model] table of an experiment file, read: which program, how many ranks and instances, how they are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.errors import ConfigurationError
from bridge.models import toy_ocean
from optim.cli.models import ModelProgram, Nemo, ToyOcean

MPI, ZMQ = "mpi", "zmq"


@dataclass(frozen=True)
class ModelTable:
    """What an experiment file says about the model, with the defaults filled in."""

    program: ModelProgram
    ranks: int = 2
    timeout: float = 300.0  # seconds of silence allowed
    relaunch: bool = False  # every run is a job of its own
    transport: str = MPI
    instances: int = 1
    endpoint: str = ""  # over ZMQ; empty: a path in the run directory
    keys: Path | None = None
    restarts: int = 10  # of each instance, over ZMQ


def read(path: Path, table: Mapping[str, Any]) -> ModelTable:
    """The [model] table of the experiment file `path`; ConfigurationError names a wrong entry."""
    settings = ModelTable(
        program=_program(path, table),
        ranks=_typed(path, table, "ranks", int, 2),
        timeout=float(_typed(path, table, "timeout", (int, float), 300.0)),
        relaunch=table.get("relaunch") is True,
        transport=_typed(path, table, "transport", str, MPI),
        instances=_typed(path, table, "instances", int, 1),
        endpoint=_typed(path, table, "endpoint", str, ""),
        keys=_file(path, table, "keys") if "keys" in table else None,
        restarts=_typed(path, table, "restarts", int, 10),
    )
    for name, least in (("ranks", 1), ("instances", 1), ("restarts", 0)):
        if getattr(settings, name) < least:
            raise ConfigurationError(
                f"{path}: [model] {name} should be at least {least}, got {getattr(settings, name)}"
            )
    _check_transport(path, table, settings)
    return settings


_COMMON = {"kind", "ranks", "timeout", "transport", "instances", "endpoint", "keys", "restarts"}
_OWN = {"toy_ocean": {"program", "namelist"}, "nemo": {"executable", "directory", "relaunch"}}
OF_ZMQ = ("endpoint", "keys", "restarts")


def _check_transport(path: Path, table: Mapping[str, Any], settings: ModelTable) -> None:
    if settings.transport not in (MPI, ZMQ):
        raise ConfigurationError(
            f"{path}: [model] transport should be {MPI!r} or {ZMQ!r}, got {settings.transport!r}"
        )
    needless = [name for name in OF_ZMQ if name in table and settings.transport != ZMQ]
    if needless:
        raise ConfigurationError(f'{path}: [model] {needless[0]} belongs to transport = "{ZMQ}"')


def _program(path: Path, table: Mapping[str, Any]) -> ModelProgram:
    kind = table.get("kind", toy_ocean.NAME)
    if kind not in _OWN:
        raise ConfigurationError(f"{path}: [model] kind should be one of {sorted(_OWN)}, got {kind!r}")
    unknown = sorted(set(table) - _COMMON - _OWN[kind])
    if unknown:
        known = ", ".join(sorted(_COMMON | _OWN[kind]))
        raise ConfigurationError(f"{path}: [model] unknown entry {unknown[0]!r}; known: {known}")
    if kind == "nemo":
        return Nemo(_file(path, table, "executable"), _file(path, table, "directory"))
    return ToyOcean(_typed(path, table, "program", str, toy_ocean.NAME), _file(path, table, "namelist"))


def _file(path: Path, table: Mapping[str, Any], name: str) -> Path:
    """A path that counts from the folder of the experiment file."""
    if name not in table:
        raise ConfigurationError(f'{path}: expected a table [model] with {name} = "…"')
    return (path.parent / _typed(path, table, name, str, "")).expanduser().resolve()


def _typed(path: Path, table: Mapping[str, Any], name: str, kind: Any, default: Any) -> Any:
    value = table.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigurationError(f"{path}: [model] {name} should be {_kind_name(kind)}, got {value!r}")
    return value


def _kind_name(kind: Any) -> str:
    return {str: "a text", int: "a whole number"}.get(kind, "a number")
