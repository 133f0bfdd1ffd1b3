"""What is particular to toy_ocean: its program, its namelist, its tunable parameters, its run directories."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from netCDF4 import Dataset

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.launch import make_run_directory
from bridge.models.parameters import Parameter
from bridge.namelist import Namelist

NAME = "toy_ocean"
#: every group and entry with its default
REFERENCE = Path(__file__).with_name("toy_ocean_ref.nml")
#: the file that the program reads in its run directory
NAMELIST = "namelist_cfg"
#: entries that name input files; `None` groups are always read, others only when the condition holds
_INPUTS = (
    ("namcfg", "cn_input", ("namcfg", "cn_cfg", "global")),
    ("namrun", "cn_ocerst_in", ("namrun", "ln_rstart", True)),
)

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("namzdf_tke", "rn_ediff", "1", 0.02, 0.5, "eddy coefficient: avm = rn_ediff l sqrt(e)"),
    Parameter("namzdf_tke", "rn_ediss", "1", 0.2, 2.0, "Kolmogorov dissipation of turbulent kinetic energy"),
    Parameter(
        "namzdf_tke", "rn_ebb", "1", 10.0, 200.0, "surface input of turbulent kinetic energy by the wind"
    ),
    Parameter("namzdf_tke", "rn_emin0", "m2 s-2", 1e-6, 1e-2, "least surface turbulent kinetic energy"),
    Parameter("namzdf_tke", "rn_mxl0", "m", 0.005, 0.5, "least surface mixing length"),
    Parameter(
        "namzdf_tke", "rn_efr", "1", 0.005, 0.3, "share of surface energy that penetrates the mixed layer"
    ),
    Parameter("namzdf", "rn_avm0", "m2 s-1", 1e-5, 1e-3, "background vertical viscosity"),
    Parameter("namzdf", "rn_avt0", "m2 s-1", 1e-6, 1e-4, "background vertical diffusivity"),
    Parameter("namzdf", "rn_evd", "m2 s-1", 1.0, 1000.0, "vertical diffusivity where the column is unstable"),
    Parameter("namtra_ldf", "rn_Ud", "m s-1", 0.002, 0.2, "velocity of lateral tracer diffusion"),
    Parameter("namtra_ldf", "rn_Ld", "m", 1e4, 1e6, "length of lateral tracer diffusion"),
    Parameter("namtra_eiv", "rn_Ue", "m s-1", 0.002, 0.2, "velocity of the eddy-induced transport"),
    Parameter("namtra_eiv", "rn_Le", "m", 1e4, 1e6, "length of the eddy-induced transport"),
    Parameter("namdyn_ldf", "rn_Uv", "m s-1", 0.1, 10.0, "velocity of lateral viscosity"),
    Parameter("namdyn_ldf", "rn_Lv", "m", 1e4, 1e6, "length of lateral viscosity"),
    Parameter("namdrg_bot", "rn_Cd0", "1", 1e-4, 1e-2, "bottom drag coefficient"),
    Parameter("namdrg_bot", "rn_ke0", "m2 s-2", 1e-4, 1e-1, "background kinetic energy of the bottom drag"),
    Parameter("namtra_qsr", "rn_abs", "1", 0.3, 0.9, "share of short wave that is absorbed within rn_si0"),
    Parameter("namtra_qsr", "rn_si0", "m", 0.1, 2.0, "extinction depth of near infrared"),
    Parameter("namtra_qsr", "rn_si1", "m", 5.0, 50.0, "extinction depth of visible light"),
    Parameter("namsbc_ssr", "rn_dqdt", "W m-2 K-1", -100.0, -5.0, "restoring of surface temperature"),
    Parameter("namsbc_ssr", "rn_deds", "kg m-2 day-1", -500.0, -5.0, "restoring of surface salinity"),
)

#: maps [j, i] that multiply a number, in no namelist
MAPS: tuple[Parameter, ...] = (
    Parameter("namzdf", "avtb_2d", "1", 0.1, 10.0, "map that multiplies the background vertical diffusivity"),
)


def executable(name: str = NAME) -> Path:
    """Path of a built Fortran program.

    Looked for in the build directory NEMO_BRIDGE_BUILD when that is set, else beside the running Python, in the
    environment's bin folder and on PATH. ConfigurationError when it is nowhere.
    """
    build = os.environ.get("NEMO_BRIDGE_BUILD")
    if build:
        found = [path for path in Path(build).rglob(name) if _is_program(path)]
        if not found:
            raise ConfigurationError(
                f"NEMO_BRIDGE_BUILD={build}: no program {name!r} below it; build it, or unset it"
            )
        return min(found, key=lambda path: len(path.parts)).resolve()
    for folder in (Path(sys.executable).parent, Path(sys.prefix) / "bin"):
        if _is_program(folder / name):
            return (folder / name).resolve()
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path).resolve()
    raise ConfigurationError(
        f"the program {name!r} is not built: run `make install`, or set NEMO_BRIDGE_BUILD"
    )


def read_namelist(path: str | Path | None = None) -> Namelist:
    """toy_ocean's complete namelist: the defaults, with the entries of `path` in place."""
    return namelist.read(REFERENCE) if path is None else namelist.read(path, REFERENCE)


def parameter(name: str) -> Parameter:
    """Catalogue entry of "group/entry" (case does not matter); ConfigurationError suggests the nearest."""
    for known in PARAMETERS:
        if known.name.lower() == name.lower():
            return known
    group, _, entry = name.partition("/")
    catalogue: dict[str, dict[str, float]] = {}
    for known in PARAMETERS:
        catalogue.setdefault(known.group, {})[known.entry.lower()] = 0.0
    Namelist(catalogue, f"parameters of {NAME}").check(group, entry)
    raise ConfigurationError(f"{name!r} should read group/entry, e.g. {PARAMETERS[0].name}")


def prepare(directory: Path, configuration: Namelist, base: Path) -> list[Path]:
    """Fill the run directory: `namelist_cfg`, and links to the input files that it names.

    File names in the namelist are relative to `base`. Returns the input files; ConfigurationError names the entry
    of one that is missing.
    """
    inputs = input_files(configuration, base)
    make_run_directory(directory)
    names = {(group, entry): path for group, entry, path in inputs}
    renamed = namelist.apply(configuration, _as_params({key: path.name for key, path in names.items()}))
    for path in names.values():
        link = directory / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    namelist.write(renamed, directory / NAMELIST)
    return list(names.values())


def input_files(configuration: Namelist, base: Path) -> list[tuple[str, str, Path]]:
    """(group, entry, absolute path) of every file that a run with this namelist reads."""
    files = []
    for group, entry, (switch_group, switch, value) in _INPUTS:
        setting = configuration.value(switch_group, switch)
        if (setting.strip() if isinstance(setting, str) else setting) != value:
            continue
        path = (base / str(configuration.value(group, entry)).strip()).resolve()
        if not path.is_file():
            raise ConfigurationError(
                f"{configuration.source}: {group}/{entry} names {path}, which does not exist"
            )
        files.append((group, entry, path))
    return files


def steps_done(configuration: Namelist, base: Path) -> int:
    """The step number that a run starts from; ConfigurationError for a file that is no restart of toy_ocean."""
    if not configuration.value("namrun", "ln_rstart"):
        return int(configuration.value("namrun", "nn_it000")) - 1
    path = next(path for _, entry, path in input_files(configuration, base) if entry == "cn_ocerst_in")
    try:
        with Dataset(path) as file:
            return int(file["kt"][...])
    except (OSError, IndexError) as error:
        raise ConfigurationError(
            f"{configuration.source}: namrun/cn_ocerst_in names {path}, which is no restart file of toy_ocean: {error}"
        ) from error


def argv(name: str = NAME) -> list[str]:
    """Command line of one rank, to be started in a prepared run directory."""
    return [str(executable(name)), NAMELIST]


def _as_params(values: dict[tuple[str, str], str]) -> dict:
    params: dict = {}
    for (group, entry), value in values.items():
        params.setdefault(group, {})[entry] = value
    return params


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
