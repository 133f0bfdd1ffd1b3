"""toy_ocean as bridge.models knows it: program, namelist, parameters, run directories."""

import importlib.util
from pathlib import Path

import pytest

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.models import toy_ocean

REPOSITORY = Path(__file__).resolve().parents[2]


def test_reference_namelist_is_the_fortran_declaration() -> None:
    script = REPOSITORY / "scripts" / "reference_namelist.py"
    spec = importlib.util.spec_from_file_location("reference_namelist", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = module.reference_namelist(module.SOURCE.read_text())
    assert toy_ocean.REFERENCE.read_text() == expected, "run scripts/reference_namelist.py"


def test_catalogued_parameters_exist_and_their_defaults_lie_in_range() -> None:
    defaults = toy_ocean.read_namelist()
    assert len(toy_ocean.PARAMETERS) >= 12
    for parameter in toy_ocean.PARAMETERS:
        assert parameter.lower < defaults.value(parameter.group, parameter.entry) < parameter.upper, (
            parameter.name
        )


def test_misspelt_parameter_suggests_the_nearest() -> None:
    assert toy_ocean.parameter("namtra_ldf/rn_ud").entry == "rn_Ud"
    with pytest.raises(ConfigurationError, match="rn_ediff"):
        toy_ocean.parameter("namzdf_tke/rn_edif")
    with pytest.raises(ConfigurationError):
        toy_ocean.parameter("rn_ediff")


def test_a_run_directory_holds_the_namelist_and_links_to_the_inputs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "ocean.nc").write_text("bathymetry")
    own = data / "namelist_cfg"
    own.write_text(
        "&namcfg\n cn_cfg = 'global'  ! mine\n cn_input = 'ocean.nc'\n/\n&namzdf_tke\n rn_ebb = 60.\n/\n"
    )
    run = tmp_path / "run"
    inputs = toy_ocean.prepare(run, toy_ocean.read_namelist(own), data)
    assert inputs == [data / "ocean.nc"]
    assert (run / "ocean.nc").read_text() == "bathymetry"
    written = namelist.read(run / "namelist_cfg", toy_ocean.REFERENCE)
    assert written.value("namzdf_tke", "rn_ebb") == 60.0
    assert "! mine" in (run / "namelist_cfg").read_text()


def test_a_missing_input_names_the_entry(tmp_path: Path) -> None:
    own = tmp_path / "namelist_cfg"
    own.write_text("&namrun\n ln_rstart = .true.\n cn_ocerst_in = 'spun_up.nc'\n/\n")
    with pytest.raises(ConfigurationError, match=r"namrun/cn_ocerst_in names .*spun_up\.nc"):
        toy_ocean.prepare(tmp_path / "run", toy_ocean.read_namelist(own), tmp_path)


def test_programs_are_found_in_the_build_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "toy_ocean" / "toy_ocean"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("NEMO_BRIDGE_BUILD", str(tmp_path))
    assert toy_ocean.executable() == program
    with pytest.raises(ConfigurationError, match="no program 'bench'"):
        toy_ocean.executable("bench")
