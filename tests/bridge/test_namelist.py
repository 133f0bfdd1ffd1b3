"""Namelists: reading, spelling mistakes, syntax errors with their line, writing that keeps comments."""

from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.errors import ConfigurationError

REFERENCE = """! reference
&namzdf_tke   ! turbulent kinetic energy
   rn_ediff = 0.1     ! coefficient
   rn_ebb   = 67.83
   ln_mxl0  = .true.
   cn_dir   = './a!b/'
   nn_list  = 1, 2, 3
/
&namtra_ldf
   rn_Ud = 0.02
/
"""


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "namelist_ref"
    path.write_text(REFERENCE)
    return path


def test_values_are_read_with_their_types(reference: Path) -> None:
    read = namelist.read(reference)
    assert read.value("namzdf_tke", "rn_ediff") == 0.1
    assert read.value("namzdf_tke", "ln_mxl0") is True
    assert read.value("namzdf_tke", "cn_dir") == "./a!b/"
    assert read.value("NAMTRA_LDF", "rn_Ud") == 0.02, "Fortran names do not distinguish case"


def test_configuration_replaces_reference(reference: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "namelist_cfg"
    configuration.write_text("&namzdf_tke\n rn_ebb = 60.\n/\n")
    merged = namelist.read(configuration, reference)
    assert merged.value("namzdf_tke", "rn_ebb") == 60.0
    assert merged.value("namzdf_tke", "rn_ediff") == 0.1


def test_misspelt_entry_suggests_the_nearest_and_names_the_line(reference: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "namelist_cfg"
    configuration.write_text("&namzdf_tke\n rn_ebb = 60.\n rn_edif = 0.2\n/\n")
    with pytest.raises(
        ConfigurationError, match=r"namelist_cfg, line 3: .*'rn_edif'.*did you mean 'rn_ediff'"
    ):
        namelist.read(configuration, reference)


def test_misspelt_group_suggests_the_nearest(reference: Path) -> None:
    with pytest.raises(ConfigurationError, match="'namzdf_tkee': did you mean 'namzdf_tke'"):
        namelist.apply(namelist.read(reference), {"namzdf_tkee": {"rn_ediff": 0.2}})


def test_entry_in_the_wrong_group_names_the_right_one(reference: Path) -> None:
    with pytest.raises(ConfigurationError, match="it is in namzdf_tke"):
        namelist.apply(namelist.read(reference), {"namtra_ldf": {"rn_ebb": 1.0}})


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("&a\n x = 1\n&b\n y = 2\n/\n", 3, "not closed"),
        ("&a\n x = 1\n", 1, "not closed"),
        ("&a\n x 1\n/\n", 2, "entry = value"),
        ("&a\n x = 1\n y 2\n/\n", 3, "entry = value"),
        ("&a\n c = 'abc\n/\n", 2, "quotation mark"),
        ("&a\n x = 1.2.3\n/\n", 2, "not a number"),
        ("&a\n x = 1\n/\n&a\n x = 2\n/\n", 4, "given twice"),
    ],
)
def test_syntax_errors_name_file_and_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "namelist_cfg"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=rf"namelist_cfg, line {line}: .*{what}"):
        namelist.read(path)


@pytest.mark.parametrize(
    "text", ["&a x = 1 /\n", "&a\n x = 3*0.5\n y = 1d-3, 2.E+4,\n     5.\n/\n", "&a\n x=1.\n&end\n"]
)
def test_unusual_but_valid_forms_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "namelist_cfg"
    path.write_text(text)
    assert "x" in namelist.read(path)["a"]


def test_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        namelist.read(tmp_path / "nowhere")


def test_write_keeps_comments_and_every_digit(reference: Path, tmp_path: Path) -> None:
    value = 0.1234567890123456789
    changed = namelist.apply(namelist.read(reference), {"namzdf_tke": {"rn_ediff": np.float64(value)}})
    written = namelist.write(changed, tmp_path / "tuned")
    assert "! coefficient" in written.read_text()
    assert "67.83" in written.read_text()
    assert namelist.read(written).value("namzdf_tke", "rn_ediff") == value


def test_written_configuration_gains_groups_that_only_the_reference_had(
    reference: Path, tmp_path: Path
) -> None:
    configuration = tmp_path / "namelist_cfg"
    configuration.write_text("&namzdf_tke\n rn_ebb = 60.\n/\n")
    merged = namelist.apply(namelist.read(configuration, reference), {"namtra_ldf": {"rn_Ud": 0.03}})
    written = namelist.read(namelist.write(merged, tmp_path / "tuned"))
    assert written.value("namtra_ldf", "rn_Ud") == 0.03
    assert written.value("namzdf_tke", "rn_ediff") == 0.1


def test_field_parameter_cannot_go_to_a_namelist(reference: Path) -> None:
    with pytest.raises(ConfigurationError, match="field parameter"):
        namelist.apply(namelist.read(reference), {"namzdf_tke": {"rn_ediff": np.ones(3)}})


def test_wire_names_go_both_ways() -> None:
    params = {"namzdf_tke": {"rn_ediff": 0.1, "rn_ebb": 60.0}, "namtra_ldf": {"rn_ud": 0.02}}
    assert namelist.unflatten(namelist.flatten(params)) == params
    with pytest.raises(ConfigurationError, match="group/entry"):
        namelist.unflatten({"rn_ediff": 1.0})


def test_a_group_may_be_repeated_where_the_model_reads_it_repeatedly(tmp_path: Path) -> None:
    path = tmp_path / "namelist_cfg"
    segment = "&nambdy_index\n ctypebdy = 'N'\n/\n"
    path.write_text(f"{segment}&namzdf\n rn_avt0 = 1e-5\n/\n{segment}")
    known = namelist.read(path)
    assert known.value("namzdf", "rn_avt0") == 1e-5
    written = namelist.write(namelist.apply(known, {"namzdf": {"rn_avt0": 2e-5}}), tmp_path / "tuned")
    assert written.read_text().count("ctypebdy") == 2
    assert namelist.read(written).value("namzdf", "rn_avt0") == 2e-5
