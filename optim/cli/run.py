"""`nemo-bridge run`: one run of a configuration, stand-alone (spin-up) or through the bridge (recorded fields)."""

from __future__ import annotations

import math
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge import launch, namelist, watch
from bridge.errors import ConfigurationError, ModelBlewUp
from bridge.model import OutcomeKind, Params, Recording
from bridge.models import toy_ocean
from bridge.namelist import Namelist
from optim.cli import model_table, options
from optim.cli.exit_codes import MODEL_FAILED, WRONG_USE
from optim.cli.interruption import hear_no_more
from optim.cli.job import ModelSettings
from optim.cli.model_table import ModelTable
from optim.cli.models import MODEL_FOLDER, ToyOcean
from optim.cli.ownership import owned, refuse_tuning
from optim.cli.server import live_session, progress_printer

if TYPE_CHECKING:
    from bridge.ensemble import Ensemble
    from bridge.session import Session

DAY, YEAR = 86400.0, 360 * 86400.0  # toy_ocean's calendar: 360 days
_MOST_STEPS = 2**31 - 1  # the model's integers
_MODEL_CODES = {
    1: WRONG_USE,
    2: MODEL_FAILED,
}  # toy_ocean ends with 1 for a wrong set-up, with 2 for a blow-up


def run(
    namelist_file: Annotated[Path, typer.Argument(metavar="NAMELIST", help="namelist of the configuration")],
    directory: Annotated[Path, typer.Option(help="run directory")],
    steps: Annotated[int | None, typer.Option(help="number of time steps")] = None,
    days: Annotated[float | None, typer.Option(help="… or model days")] = None,
    years: Annotated[float | None, typer.Option(help="… or model years of 360 days")] = None,
    ranks: Annotated[int, typer.Option(help="ranks of the model")] = 2,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="GROUP/ENTRY=VALUE", help="change a parameter (repeatable)"),
    ] = None,
    restart: Annotated[Path | None, typer.Option(help="copy the final restart to this file")] = None,
    record: Annotated[
        str | None, typer.Option(help="run through the bridge and record these fields, e.g. thetao,zos")
    ] = None,
    every: Annotated[int, typer.Option(help="record every so many steps")] = 1,
    output: Annotated[Path | None, typer.Option(help="netCDF file for the recorded fields")] = None,
    transport: options.Transport = None,
    endpoint: options.Endpoint = None,
    keys: options.Keys = None,
    serve_only: options.ServeOnly = False,
) -> None:
    """Run toy_ocean. Stand-alone it writes a restart; with --record it runs through the bridge, over MPI or ZMQ."""
    refuse_tuning(directory)
    program = ToyOcean(toy_ocean.NAME, namelist_file, _parsed(settings or []))
    configuration = program.expected()
    length = _length(configuration, steps, days, years)
    _require_writable(restart)
    _require_writable(output)
    over_zmq = transport is options.TransportName.ZMQ
    _check_transport(over_zmq, record, endpoint, keys, serve_only)
    if record is not None:
        way = model_table.ZMQ if over_zmq else model_table.MPI
        model = ModelSettings(ModelTable(program, ranks, transport=way, endpoint=endpoint or "", keys=keys))
        _recorded(model, directory, Recorded(length, record, every, output), serve_only)
        return
    with owned(directory):
        code = _stand_alone(configuration, namelist_file.parent, directory, length, ranks, restart)
    sys.exit(code)


@dataclass(frozen=True)
class Recorded:
    """How many steps to run, what to record, and where it goes."""

    length: int
    fields: str
    every: int
    output: Path | None


def _parsed(settings: list[str]) -> Params:
    """["group/entry=value", …] as Params."""
    values: dict = {}
    for text in settings:
        name, separator, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            separator = ""
        if not separator or not math.isfinite(values[name.strip()]):
            raise ConfigurationError(
                f"--set {text!r}: expected GROUP/ENTRY=NUMBER, e.g. namzdf_tke/rn_ediff=0.2"
            )
    return namelist.unflatten(values)


def _length(configuration: Namelist, steps: int | None, days: float | None, years: float | None) -> int:
    """Number of time steps from exactly one of the three."""
    if sum(given is not None for given in (steps, days, years)) != 1:
        raise ConfigurationError("give one of --steps, --days, --years")
    seconds = (days or 0.0) * DAY + (years or 0.0) * YEAR
    if not math.isfinite(seconds):
        raise ConfigurationError(
            f"--days and --years should be finite, got {years if days is None else days}"
        )
    length = steps if steps is not None else round(seconds / configuration.value("namdom", "rn_Dt"))
    if not 1 <= length <= _MOST_STEPS:
        raise ConfigurationError(f"the run should have 1 to {_MOST_STEPS} steps, got {length}")
    return length


def _require_writable(path: Path | None) -> None:
    """ConfigurationError before the run unless this file can be written after it; makes its folder."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: its folder cannot be made ({error.strerror})") from error
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigurationError(f"{path}: this file cannot be written")


# --- stand-alone ----------------------------------------------------------------------------------------------


def _stand_alone(
    configuration: Namelist, base: Path, directory: Path, length: int, ranks: int, restart: Path | None
) -> int:
    folder = (directory / MODEL_FOLDER).resolve()
    first = toy_ocean.steps_done(configuration, base)
    ending: Params = {"namrun": {"nn_itend": first + length}}
    if not 0 < configuration.value("namrun", "nn_write") <= length:
        ending["namrun"]["nn_write"] = max(1, length // 20)  # budgets and output at 20 times
    configuration = namelist.apply(configuration, ending)
    toy_ocean.prepare(folder, configuration, base)
    job = launch.Job((launch.Program(toy_ocean.argv(), ranks, folder, folder / "model.log"),))
    code = watch.run(job, _Follower(folder / "run.stat", first, length))
    final = folder / str(configuration.value("namrun", "cn_ocerst_out")).strip()
    if code == 0 and restart is not None:
        shutil.copyfile(final, restart)
    if code == 0:
        print(f"restart: {restart or final}")
    return _MODEL_CODES.get(code, code)


class _Follower:
    """Prints the model's progress as its statistics file grows."""

    def __init__(self, path: Path, first: int, length: int) -> None:
        self._path, self._first, self._length = path, first, length
        self._last = first
        self._show = progress_printer()
        path.unlink(missing_ok=True)

    def __call__(self) -> None:
        step = self._step()
        if step > self._last:
            self._last = step
            done = step - self._first
            self._show(f"step {done} of {self._length} ({100 * done // self._length} %)")

    def _step(self) -> int:
        try:
            words = self._path.read_text().rstrip().rpartition("\n")[2].split()
            return int(words[0])
        except (OSError, IndexError, ValueError):
            return self._last  # nothing written yet, or half a line


# --- through the bridge -----------------------------------------------------------------------------------------


def _check_transport(
    over_zmq: bool, record: str | None, endpoint: str | None, keys: Path | None, serve_only: bool
) -> None:
    """ConfigurationError for options that would have no effect."""
    if over_zmq and record is None:
        raise ConfigurationError("--transport zmq belongs to --record: without it the model runs alone")
    given = {"--endpoint": endpoint, "--keys": keys, "--serve-only": serve_only}
    needless = [name for name, value in given.items() if value]
    if needless and not over_zmq:
        raise ConfigurationError(f"{needless[0]} belongs to --transport zmq")


def _recorded(model: ModelSettings, directory: Path, recorded: Recorded, serve_only: bool) -> None:
    if not 1 <= recorded.every <= recorded.length:
        raise ConfigurationError(
            f"--every {recorded.every}: nothing would be recorded in {recorded.length} steps; "
            f"give 1 to {recorded.length}"
        )
    if launch.inside_mpi_job() and not model.over_zmq:
        with live_session(model.timeout, model.program.expected()) as session:
            _record(session, directory, recorded)
        return
    with owned(directory) as own:
        if model.over_zmq:
            from optim.cli.zmq_server import served_models

            with served_models(model, own, serve_only) as ensemble:
                _record(ensemble, own, recorded)
            return
        folders = model.prepare(own)
        code = watch.run(model.job(sys.argv[1:], folders))
    sys.exit(code)


def _record(model: Session | Ensemble, directory: Path, recorded: Recorded) -> None:
    """One run of a live model; its fields are written to a file."""
    recording = Recording(tuple(recorded.fields.replace(",", " ").split()), recorded.every)
    trajectory = model.run({}, model.snapshot(), recorded.length, recording)
    if trajectory.outcome.kind is not OutcomeKind.COMPLETED:
        raise ModelBlewUp(trajectory.outcome.message or "the run failed", trajectory.outcome.step)
    output = recorded.output or directory / "recorded.nc"
    trajectory.to_xarray(model.describe().grid).to_netcdf(output)
    print(f"recorded fields: {output}", flush=True)
    hear_no_more()
