"""What an experiment file asks of NEMO and cannot have, or should think twice about, is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.models.nemo.parameters import parameter
from optim.cli.job import checked_settings
from optim.experiment_file import read

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "nemo_gyre"
EXPERIMENT = """
prior = false

[model]
kind = "nemo"
executable = "nemo"
directory = "EXP00"
MODEL

[window]
days = 1
every = 1
WINDOW

[[controls]]
group = "GROUP"
entry = "ENTRY"
lower = LOWER
upper = UPPER
prior_mean = MEAN
prior_spread = 0.02

[[observations]]
kind = "twin"
field = "thetao"
sigma = 0.01

[truth]
"GROUP/ENTRY" = MEAN

[estimator]
kind = "finite-difference"
"""
REFERENCE = """
&nammpp
   ln_mppdelay = .false.
/
&namzdf
   ln_zdftke = .true.
   ln_zdfiwm = .false.
/
&namzdf_tke
   rn_ediff = 0.1
/
&namlbc
   rn_shlat = 2.
/
"""
USUAL = {
    "GROUP": "namzdf_tke", "ENTRY": "rn_ediff", "LOWER": "0.03", "UPPER": "0.3", "MEAN": "0.1",
    "MODEL": "", "WINDOW": "",
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path):
    """`write(NAME=text, …)`: an experiment file with these things other than usual, beside a NEMO's run directory."""
    (tmp_path / "EXP00").mkdir()
    (tmp_path / "EXP00" / "namelist_ref").write_text(REFERENCE)
    (tmp_path / "EXP00" / "namelist_cfg").write_text("&namzdf\n/\n")

    def write(**changes: str) -> Path:
        text = EXPERIMENT
        for name, value in (USUAL | changes).items():
            text = text.replace(name, value)
        (tmp_path / "experiment.toml").write_text(text)
        return tmp_path / "experiment.toml"

    return write


def test_usual_experiment_has_no_warning(write) -> None:
    settings = checked_settings(write())
    assert not settings.relaunch and settings.warnings == ()


@pytest.mark.parametrize(
    ("changes", "bounds"),
    [
        ({"LOWER": "0.01"}, "0.01 … 0.3"),
        ({"UPPER": "0.5"}, "0.03 … 0.5"),
        ({"LOWER": "0.31", "MEAN": "0.4", "UPPER": "0.5"}, "0.31 … 0.5"),
    ],
)
def test_bounds_beyond_what_is_plausible_are_warned_of(write, changes: dict[str, str], bounds: str) -> None:
    (warning,) = checked_settings(write(**changes)).warnings
    assert warning == f"namzdf_tke/rn_ediff: its bounds {bounds} are wider than what is plausible, 0.03 … 0.3"


MAP = {"GROUP": "namsbc", "ENTRY": "utau", "LOWER": "0.5", "MEAN": "1.0", "UPPER": "2.0"}
PATCHES = "prior_spread = 0.02\npatches = [4, 5]"


def test_map_is_tuned_by_patches_and_not_as_a_number(write) -> None:
    path = write(**MAP)
    with pytest.raises(ConfigurationError, match=r"namsbc/utau is a map: give patches = \[rows, columns\]"):
        checked_settings(path)
    path.write_text(path.read_text().replace("prior_spread = 0.02", PATCHES))
    assert checked_settings(path).warnings == ()
    path.write_text(path.read_text().replace("upper = 2.0", "upper = 4.0"))
    (warning,) = checked_settings(path).warnings
    assert "wider than what is plausible, 0.5 … 2" in warning


def test_patches_of_a_number_and_a_fixed_map_are_refused(write) -> None:
    path = write()
    path.write_text(path.read_text().replace("prior_spread = 0.02", PATCHES))
    with pytest.raises(ConfigurationError, match="namzdf_tke/rn_ediff is a number, patches belong to maps"):
        checked_settings(path)
    path = write()
    path.write_text(path.read_text() + '[fixed]\n"namsbc/utau" = 1.5\n')
    with pytest.raises(ConfigurationError, match=r"\[fixed\]: namsbc/utau is a map, .*docs/nemo.md"):
        checked_settings(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"MODEL": "relaunch = true"},
        {"GROUP": "namlbc", "ENTRY": "rn_shlat", "LOWER": "0.0", "MEAN": "1.0", "UPPER": "4.0"},
    ],
    ids=["asked for", "needed by a parameter"],
)
def test_spin_up_of_a_relaunched_model_is_refused(write, changes: dict[str, str]) -> None:
    assert checked_settings(write(**changes)).relaunch
    with pytest.raises(ConfigurationError, match="spinup_days needs a model that can be rewound"):
        checked_settings(write(WINDOW="spinup_days = 2", **changes))


@pytest.mark.parametrize("name", ["twin.toml", "map.toml", "map_and_numbers.toml"])
def test_bounds_of_the_examples_are_plausible(name: str) -> None:
    for control in read(EXAMPLES / name).controls.controls:
        known = parameter(control.name)
        assert known.lower <= control.lower and control.upper <= known.upper, control.name
