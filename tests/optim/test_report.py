"""The report: formats that stay, a page that stands alone, a namelist that can be used."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.errors import ConfigurationError
from optim.report.result import BiasMap, Curve, IterationResult, ParameterResult, RunResult, Score
from optim.report.write import write_report


def result(truth: float | None = None) -> RunResult:
    longitude, latitude = np.arange(0.0, 360.0, 30.0), np.arange(-60.0, 61.0, 20.0)
    bias = np.cos(np.deg2rad(longitude))[None, :] * np.ones((latitude.size, 1))
    mask = np.ones_like(bias)
    mask[0] = 0.0
    return RunResult(
        title="A <small> test",
        parameters=[
            ParameterResult(
                "namzdf_tke/rn_ediff",
                0.1,
                0.123456789012345678,
                0.02,
                0.5,
                "1",
                0.1,
                0.05,
                "log",
                truth=truth,
            ),
            ParameterResult("namtra_qsr/rn_si1", 23.0, 50.0, 5.0, 50.0, "m", at_bound=True),
        ],
        cost_initial=10.0,
        cost_final=6.0,
        model_runs=3,
        outcome="converged",
        wall_seconds=12.5,
        iterations=[
            IterationResult(0, 1, 10.0, 10.0, True, {"namzdf_tke/rn_ediff": 0.1}, {"exact twin": 0.9}),
            IterationResult(1, 2, float("inf"), 10.0, False, {}, {}),
            IterationResult(2, 3, 6.0, 6.0, True, {}, {"exact twin": 0.8}),
        ],
        comparison=[Curve("finite-difference Gauss–Newton", [3, 4], [10.0, 9.0])],
        validation=[Score("SST, month 7", False, 1.0, 0.9, "degC")],
        setting={"estimator": "surrogate", "ranks": np.int64(2)},
        maps=[BiasMap("SST bias", "degC", longitude, latitude, mask, bias, 0.5 * bias)],
    )


def test_report_json_holds_what_is_promised(tmp_path: Path) -> None:
    write_report(tmp_path, result(truth=0.12))
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    assert content["cost"] == {"initial": 10.0, "final": 6.0, "reduction": 0.4, "history": [10.0, 10.0, 6.0]}
    assert {"model_runs", "outcome", "wall_seconds", "iterations", "validation"} <= set(content)
    first = content["parameters"]["namzdf_tke/rn_ediff"]
    assert first["truth"] == 0.12
    assert first["relative_error"] == pytest.approx(0.123456789012345678 / 0.12 - 1.0)
    assert content["parameters"]["namtra_qsr/rn_si1"]["at_bound"] is True
    assert "truth" not in content["parameters"]["namtra_qsr/rn_si1"]
    assert content["iterations"][1]["cost"] is None, "a failed run has no cost in JSON"


def test_every_entry_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text()
    content = result(truth=0.12).to_json()
    names = {
        *content,
        *content["parameters"]["namzdf_tke/rn_ediff"],
        *content["iterations"][0],
        *content["validation"][0],
    }
    missing = {name for name in names - {"posterior_spread"} if f"`{name}`" not in page}
    assert not missing


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    written = result()
    written.write(tmp_path)
    read = RunResult.read(tmp_path)
    assert read.to_json() == written.to_json()
    assert read.iterations[1].cost == float("inf")
    np.testing.assert_array_equal(read.maps[0].after, written.maps[0].after)
    assert (read.maps[0].name, read.maps[0].units) == ("SST bias", "degC")


def test_the_page_stands_alone(tmp_path: Path) -> None:
    page = (write_report(tmp_path, result(truth=0.12)) / "report.html").read_text()
    assert "A &lt;small&gt; test" in page
    assert "at bound" in page and "+" not in re.findall(r"<b>(.*?)</b>", page)[0], "the cost fell"
    # cost, parameters, one map, scores, cosines
    assert page.count("data:image/png;base64,") == 5
    assert not re.search(r"""(src|href)=["'](?!data:)""", page), "no link to anywhere"
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)


def test_a_bare_result_makes_a_page_too(tmp_path: Path) -> None:
    bare = RunResult(
        "bare", [ParameterResult("a/b", 1.0, 1.0, 0.5, 2.0)], float("inf"), float("inf"), 1, "blew up", 0.1
    )
    folder = write_report(tmp_path, bare)
    assert (folder / "report.html").is_file()
    assert json.loads((folder / "report.json").read_text())["cost"]["initial"] is None


def test_the_tuned_namelist_is_ready_to_use(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "namelist_cfg").write_text("&namzdf_tke\n rn_ediff = 0.1  ! mine\n rn_ebb = 60.\n/\n")
    tuned = write_report(tmp_path, result()) / "namelist_tuned"
    read = namelist.read(tuned)
    assert read.value("namzdf_tke", "rn_ediff") == 0.123456789012345678
    assert read.value("namtra_qsr", "rn_si1") == 50.0
    assert read.value("namzdf_tke", "rn_ebb") == 60.0
    assert "! mine" in tuned.read_text()


def test_a_folder_without_result_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no result\.json"):
        RunResult.read(tmp_path)


def test_a_map_is_drawn_and_kept_out_of_the_namelist(tmp_path: Path) -> None:
    patches = [
        ParameterResult(
            f"namzdf/avtb_2d[{row},{column}]", 1.0, 0.5 + row + column, 0.1, 10.0, patch=(row, column)
        )
        for row in range(2)
        for column in range(3)
    ]
    whole = replace(result(), parameters=[*result().parameters, *patches])
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "namelist_cfg").write_text("&namzdf_tke\n rn_ediff = 0.1\n/\n")
    report = write_report(tmp_path, whole)
    assert "avtb_2d" not in (report / "namelist_tuned").read_text()
    page = (report / "report.html").read_text()
    plain = (write_report(tmp_path, result()) / "report.html").read_text()
    assert page.count("<img") == plain.count("<img") + 1 and "avtb_2d[" not in page
    whole.write(tmp_path)
    assert RunResult.read(tmp_path).parameters == whole.parameters
