"""A run directory for NEMO: inputs linked, outputs left alone, entries changed in a copy of the namelist."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.models.nemo import run_directory

REFERENCE = """&namrun
   cn_exp = "ORCA"   ! experiment name
   cn_ocerst_in = "restart"
/
&namzdf_tke
   rn_ediff = 0.1
   rn_ebb = 67.83
/
&namctl
   sn_cfctl%l_runstat = .FALSE.
/
"""
CONFIGURATION = """! my configuration
&namrun
   cn_exp = "GYRE"   ! kept comment
   cn_ocerst_in = "GYRE_00000041_restart"
/
&namctl
   sn_cfctl%l_runstat = .TRUE.
/
&namusr_def
   nn_GYRE = 1
/
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory in which NEMO has been run."""
    folder = tmp_path / "EXP00"
    folder.mkdir()
    (folder / "namelist_ref").write_text(REFERENCE)
    (folder / "namelist_cfg").write_text(CONFIGURATION)
    for name in (
        "domain_cfg.nc",
        "GYRE_00000041_restart_0000.nc",
        "GYRE_00000200_restart_0000.nc",
        "ocean.output",
        "mesh_mask_0001.nc",
        "output.abort_0000.nc",
        "timing_step.nc",
    ):
        (folder / name).write_text(name)
    program = folder / "nemo"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return folder


def test_inputs_are_linked_and_outputs_are_not(source: Path, tmp_path: Path) -> None:
    inputs = run_directory.prepare(tmp_path / "run", source)
    names = ["GYRE_00000041_restart_0000.nc", "domain_cfg.nc", "namelist_ref"]
    assert [path.name for path in inputs] == names
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted([*names, "namelist_cfg"])
    assert (tmp_path / "run" / "domain_cfg.nc").resolve() == source / "domain_cfg.nc"
    assert (tmp_path / "run" / "namelist_cfg").read_text() == CONFIGURATION
    run_directory.prepare(tmp_path / "run", source)  # again: nothing in the way


def test_entries_are_changed_in_the_copy(source: Path, tmp_path: Path) -> None:
    changes = {"namzdf_tke": {"rn_ediff": 0.2}, "namrun": {"cn_exp": "TUNED"}}
    run_directory.prepare(tmp_path / "run", source, changes)
    known = run_directory.read_namelist(tmp_path / "run")
    assert known.value("namzdf_tke", "rn_ediff") == 0.2
    assert known.value("namzdf_tke", "rn_ebb") == 67.83
    assert known.value("namrun", "cn_exp") == "TUNED"
    text = (tmp_path / "run" / "namelist_cfg").read_text()
    assert "kept comment" in text and "my configuration" in text
    assert (source / "namelist_cfg").read_text() == CONFIGURATION


def test_wrong_names_directories_and_programs_are_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rn_ediff"):
        run_directory.prepare(tmp_path / "run", source, {"namzdf_tke": {"rn_edif": 0.2}})
    with pytest.raises(ConfigurationError, match="no namelist_cfg"):
        run_directory.read_namelist(tmp_path)
    with pytest.raises(ConfigurationError, match="nemo install"):
        run_directory.executable(source / "namelist_cfg")
    assert run_directory.executable(source / "nemo") == (source / "nemo").resolve()


def test_files_that_are_read_elsewhere_are_found(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "forcing"
    folder.mkdir()
    for name in ("runoff_y0001.nc", "runoff_y0002.nc", "other.nc", "GYRE_00000041_restart.nc"):
        (folder / name).write_text(name)
    known = run_directory.read_namelist(source)
    assert run_directory.files_elsewhere(source, known) == []
    known.groups["namsbc_rnf"] = {"cn_dir": f"{folder}/", "sn_rnf": ["runoff", -1.0, "sorunoff"]}
    known.groups["namrun"]["cn_ocerst_indir"] = "../forcing"
    found = run_directory.files_elsewhere(source, known)
    names = ["GYRE_00000041_restart.nc", "runoff_y0001.nc", "runoff_y0002.nc"]
    assert [Path(path).name for path, _, _ in found] == names
    (folder / "runoff_y0002.nc").write_text("longer than before")
    assert run_directory.files_elsewhere(source, known) != found
