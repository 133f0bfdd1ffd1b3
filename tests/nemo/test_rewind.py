"""Rewinding real NEMO: the same bits again, whatever happened in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.nemo

SETTINGS = {
    "steps": 40,
    "every": 10,
    "params": {"namzdf_tke": {"rn_ediff": 0.13, "rn_ebb": 80.0}, "namtra_qsr": {"rn_abs": 0.62}},
    "wind": 1e5,
}


def test_description_and_record(nemo, tmp_path: Path, ranks: int) -> None:
    found = nemo.drive(tmp_path, "describe", ranks=ranks)
    print(
        found["name"],
        found["version"],
        found["shape"],
        len(found["fields"]),
        "fields",
        len(found["parameters"]),
    )
    assert found["name"] == "nemo"
    assert found["tmask"].sum() > 0 and list(found["tmask"].shape) == found["shape"]
    assert np.array_equal(found["tos"][-1], found["thetao"][-1][0])
    assert np.array_equal(found["tos"][-1], found["surface"])
    assert len(found["steps"]) == 2


def test_rewind_is_exact(nemo, tmp_path: Path, ranks: int) -> None:
    found = nemo.drive(tmp_path, "rewind", SETTINGS, ranks)
    print(found)
    assert found["outcome"] == "completed"
    assert max(found["other parameters"].values()) > 0  # else nothing was tested
    assert found["too much wind"][0] == "blew up" and found["wild currents"][0] == "blew up"
    for run in ("again", "after other parameters", "after blow-ups", "from a file"):
        assert found[run] == dict.fromkeys(found[run], 0.0), run


def test_wild_map_leaves_nothing_behind(nemo, tmp_path: Path, ranks: int) -> None:
    """A nan first: it must count as a map that is used, and be gone from arrays that NEMO sets only once."""
    settings = {"steps": 8, "every": 4, "values": ["nan", "1e30", "-1", "0"]}
    found = nemo.drive(tmp_path, "wild_maps", settings, ranks)
    for run, (outcome, felt, as_before) in found.items():
        print(run, outcome, "felt" if felt else "not felt", "as before" if as_before else "NOT AS BEFORE")
    assert {run.split()[0] for run in found} >= {"namzdf/avtb_2d", "namsbc/utau"}
    assert all(felt for run, (_, felt, _) in found.items() if run.endswith("nan"))
    assert all(as_before for _, _, as_before in found.values())


def test_state_is_read_and_written(nemo, tmp_path: Path, ranks: int) -> None:
    found = nemo.drive(tmp_path, "state", ranks=ranks)
    for name in [name for name in found if name.endswith(" again")]:
        assert np.array_equal(found[name], found[name.removesuffix(" again")]), name


def test_what_was_set_comes_back_from_a_snapshot_as_if_it_were_stepped_at_once(
    nemo, tmp_path: Path, ranks: int
) -> None:
    """Halos, vertical means and thicknesses go with what is set, also into a snapshot before the next step."""
    found = nemo.drive(tmp_path, "remember", ranks=ranks)
    for name in ("thetao", "uo", "zos"):
        assert np.ptp(found[f"{name} directly"]) > 0.0, name
        assert np.array_equal(found[f"{name} restored"], found[f"{name} at the start"]), name
        assert np.array_equal(found[f"{name} with a snapshot"], found[f"{name} directly"]), name
        assert np.array_equal(found[f"{name} by a snapshot"], found[f"{name} directly"]), name


def test_rewind_over_records_of_a_forcing_file(
    nemo, climatology, restoring, tmp_path: Path, ranks: int
) -> None:
    settings = SETTINGS | {"params": {"namsbc_ssr": {"rn_dqdt": -80.0}}}
    found = nemo.drive(tmp_path, "rewind", settings, ranks, restoring, [climatology])
    print(found)
    assert found["other parameters"]["thetao"] > 0  # the file is felt
    for run in ("again", "after other parameters", "after blow-ups", "from a file"):
        assert found[run] == dict.fromkeys(found[run], 0.0), run


def test_rewind_with_fluxes_held_over_steps(nemo, climatology, restoring, tmp_path: Path, ranks: int) -> None:
    """nn_fsbc = 4: fluxes and means of the surface live on between steps; snapshots fall between two calls."""
    changes = restoring | {"namsbc": restoring["namsbc"] | {"nn_fsbc": 4}}
    found = nemo.drive(tmp_path, "rewind", SETTINGS, ranks, changes, [climatology])
    print(found)
    for run in ("again", "after other parameters", "after blow-ups", "from a file"):
        assert found[run] == dict.fromkeys(found[run], 0.0), run


def test_rewind_with_a_closed_freshwater_budget(nemo, tmp_path: Path, ranks: int) -> None:
    """nn_fwb = 1: a global sum, which NEMO may receive one call late."""
    found = nemo.drive(tmp_path, "rewind", SETTINGS, ranks, {"namsbc": {"nn_fwb": 1}})
    print(found)
    for run in ("again", "after other parameters", "after blow-ups", "from a file"):
        assert found[run] == dict.fromkeys(found[run], 0.0), run
