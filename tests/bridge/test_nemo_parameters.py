"""NEMO's parameters: the registry keeps its own rules, and says what a namelist does to a parameter."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.models.nemo import namelists
from bridge.models.nemo import parameters as registry
from bridge.namelist import Namelist

REPOSITORY = Path(__file__).resolve().parents[2]

#: the switches of a global configuration of about one degree, 5.0, as a modeller would set them
ORCA1 = """
&namsbc
   ln_blk = .true.   ln_traqsr = .true.   ln_ssr = .true.   nn_ice = 2
/
&namsbc_ssr
   nn_sssr = 2   nn_sstr = 0   rn_deds = -220.   ln_sssr_bnd = .true.
/
&namzdf
   ln_zdftke = .true.   ln_zdfevd = .true.   rn_evd = 100.   ln_zdfiwm = .true.   ln_zdfddm = .false.
   rn_avt0 = 1.2e-5   nn_avb = 0   ln_zdfcst = .false.
/
&namzdf_tke
   rn_ediff = 0.1   rn_emin = 1.e-6   ln_mxl0 = .true.   rn_mxl0 = 0.04   nn_etau = 1   rn_efr = 0.08
/
&namtra_ldf
   ln_traldf_off = .false.   nn_aht_ijk_t = 20   rn_Ud = 0.018   rn_Ld = 100.e+3
/
&namtra_eiv
   ln_ldfeiv = .true.   nn_aei_ijk_t = 21   rn_Ue = 0.018
/
&namdyn_ldf
   ln_dynldf_off = .false.   nn_ahm_ijk_t = -30   rn_Uv = 0.1
/
&namdrg
   ln_drg_off = .false.   ln_non_lin = .true.   ln_loglayer = .false.   ln_lin = .false.
/
&nammpp
   ln_nnogather = .true.   nn_hls = 2   ln_mppdelay = .false.
/
"""


@pytest.fixture
def orca1(tmp_path: Path) -> Namelist:
    return merged(tmp_path, ORCA1)


def merged(tmp_path: Path, reference: str, configuration: str = "") -> Namelist:
    (tmp_path / "namelist_ref").write_text(reference)
    (tmp_path / "namelist_cfg").write_text(configuration or "&namusr_def\n nn_GYRE = 1\n/\n")
    return namelists.read(tmp_path / "namelist_cfg")


def without_effect(name: str, values: Namelist) -> str:
    return "; ".join(registry.why_without_effect(registry.parameter(name), values))


def how(name: str, values: Namelist | None = None, version: str = "5.0") -> registry.How:
    return registry.how(registry.parameter(name), version, values)


# --- the file


def test_at_least_35_parameters_and_the_five_maps() -> None:
    known = registry.parameters()
    assert sum(one.kind == "entry" for one in known) >= 35
    maps = {"namzdf/avtb_2d", "namdrg_bot/rCd0_bot", "namtra_eiv/aeiu", "namtra_ldf/ahtu", "namsbc/utau"}
    assert {one.name for one in known if one.kind == "multiplier"} == maps


def test_each_of_the_measured_parameters_is_live() -> None:
    measured = [
        *(
            f"namzdf_tke/{entry}"
            for entry in ("rn_ediff", "rn_ediss", "rn_ebb", "rn_efr", "rn_lc", "rn_emin")
        ),
        *("namzdf/rn_evd", "namzdf/rn_avt0", "namzdf/rn_avm0", "namtra_ldf/rn_Ud", "namtra_eiv/rn_Ue"),
        *("namdyn_ldf/rn_Uv", "namdrg_bot/rn_Cd0", "namdrg_bot/rn_ke0", "namtra_mle/rn_ce"),
        *("namtra_qsr/rn_abs", "namtra_qsr/rn_si0", "namtra_qsr/rn_si1"),
    ]
    assert len(measured) == 18
    assert all(
        how(name, version=version).way == registry.LIVE for name in measured for version in namelists.VERSIONS
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('units = "1"', "missing units"),
        ('effect = "each step"|effect = "now and then"', "effect must be one of"),
        ("range = [0.0, 1.0]|range = [1.0, 0.0]", "lower < upper"),
        ('transform = "linear"|transform = "log"', "positive for a log transform"),
        ("default = 0.5|default = 5.0", "default 5 .* outside the range"),
        ('versions = ["4.0"]|versions = ["3.6"]', "versions must be among"),
        ("default = 0.5|defalt = 0.5", "unknown defalt, did you mean default?"),
        ('effect = "each step"|effect = "derived"', "lists derived"),
        ("[0.0, 1.0]|[0.0]", "range must be"),
        (
            'needs = [{ entry = "namzdf/ln_a", is = 1 }]|needs = [{ entry = "ln_a", is = 1 }]',
            "read group/entry",
        ),
        ('needs = [{ entry = "namzdf/ln_a", is = 1 }]|needs = [{ entry = "namzdf/ln_a" }]', "missing is"),
        ("[[parameter]]|[[parameters]]", "not a file of"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(tmp_path: Path, change: str, message: str) -> None:
    good = """[[parameter]]
group = "namzdf"
entry = "rn_x"
meaning = "something"
units = "1"
default = 0.5
range = [0.0, 1.0]
transform = "linear"
versions = ["4.0"]
effect = "each step"
needs = [{ entry = "namzdf/ln_a", is = 1 }]
"""
    path = tmp_path / "parameters.toml"
    path.write_text(good)
    assert registry.parameters(path)[0].name == "namzdf/rn_x"
    broken = tmp_path / "broken.toml"
    old, _, new = change.partition("|")
    broken.write_text(good.replace(old, new))
    with pytest.raises(ConfigurationError, match=message) as error:
        registry.parameters(broken)
    assert "broken.toml" in str(error.value)


def test_a_parameter_twice_is_refused(tmp_path: Path) -> None:
    table = registry.REGISTRY.read_text().partition("[[parameter]]")[2].partition("[[parameter]]")[0]
    path = tmp_path / "parameters.toml"
    path.write_text(f"[[parameter]]{table}[[parameter]]{table}")
    with pytest.raises(ConfigurationError, match="more than once"):
        registry.parameters(path)


def test_live_is_what_the_fortran_registers() -> None:
    folder = REPOSITORY / "fortran_stubs" / "nemo"
    sources = "".join(path.read_text() for path in sorted(folder.glob("*.F90")))
    registered = set(re.findall(r'"(nam\w+/\w+)"', sources))
    assert {one.name for one in registry.parameters() if one.live} == registered


# --- names and versions


def test_names_are_found_in_any_case_and_by_any_versions_name() -> None:
    assert registry.parameter("NAMZDF_TKE/RN_EDIFF").entry == "rn_ediff"
    ice = registry.parameter("namsbc/rn_cio")
    assert ice.entry == "rn_Cd_io" and ice.name_in("4.2") == "namsbc/rn_cio"


@pytest.mark.parametrize("wrong", ["namzdf_tke/rn_edif", "namzdf/rn_ediff", "rn_ediff"])
def test_a_misspelt_name_suggests_the_nearest(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean .*namzdf_tke/rn_ediff"):
        registry.parameter(wrong)


def test_a_version_that_lacks_a_parameter_refuses_it() -> None:
    with pytest.raises(ConfigurationError, match=r"rn_vfac is not in NEMO 5\.0\.1 \(it is in 4\.0\)"):
        registry.parameter("namsbc_blk/rn_vfac", "5.0.1")
    assert how("namsbc_blk/rn_vfac").way == registry.REFUSED
    with pytest.raises(ConfigurationError, match="'3.6' is not known"):
        how("namzdf_tke/rn_ediff", version="3.6")


# --- what a namelist does to a parameter


def test_a_parameter_that_matters_has_no_reason_against_it(orca1: Namelist) -> None:
    for name in ("namzdf_tke/rn_ediff", "namzdf_tke/rn_efr", "namtra_ldf/rn_Ud", "namsbc_ssr/rn_deds"):
        assert not without_effect(name, orca1)
        assert how(name, orca1).way == registry.LIVE


def test_a_scheme_that_is_off_refuses_and_names_its_switch(orca1: Namelist) -> None:
    assert without_effect("namzdf/rn_avts", orca1) == "namzdf/ln_zdfddm = .false. (needs .true.)"
    refused = how("namzdf/rn_avts", orca1)
    assert refused.way == registry.REFUSED and "ln_zdfddm = .false." in refused.reason


def test_a_scheme_that_does_without_the_parameter_warns(orca1: Namelist) -> None:
    assert without_effect("namsbc_ssr/rn_dqdt", orca1) == "namsbc_ssr/nn_sstr = 0 (needs 1)"
    warned = how("namsbc_ssr/rn_dqdt", orca1)
    assert warned.way == registry.LIVE and "no effect" in warned.warnings[0]


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("namzdf_tke/rn_emin", "ln_zdfiwm"),
        ("namzdf_tke/rn_mxl0", "ln_mxl0"),
        ("namzdf/rn_avt0", "ln_zdfiwm"),
        ("namdyn_ldf/rn_Uv", "nn_ahm_ijk_t = -30"),
        ("namtra_ldf/rn_Ld", "nn_aht_ijk_t = 20"),
    ],
)
def test_what_nemo_overwrites_is_refused_and_says_why(name: str, switch: str, orca1: Namelist) -> None:
    refused = how(name, orca1)
    assert refused.way == registry.REFUSED and switch in refused.reason
    assert switch in without_effect(name, orca1)


def test_an_inactive_bound_is_a_caution_not_a_reason(orca1: Namelist) -> None:
    assert not without_effect("namtra_eiv/rn_Ue", orca1)
    assert "upper bound" in how("namtra_eiv/rn_Ue", orca1).warnings[0]
    constant = Namelist({"namtra_eiv": {"ln_ldfeiv": True, "nn_aei_ijk_t": 0}})
    assert not registry.cautions(registry.parameter("namtra_eiv/rn_Ue"), constant)


def test_one_of_several_switches_is_enough() -> None:
    ke0 = "namdrg_bot/rn_ke0"
    assert not without_effect(ke0, Namelist({"namdrg": {"ln_non_lin": False, "ln_loglayer": True}}))
    assert "one of them needs .true." in without_effect(
        ke0, Namelist({"namdrg": {"ln_non_lin": False, "ln_loglayer": False}})
    )


def test_switches_of_other_versions_do_not_count() -> None:
    """4.0 calls ln_drg_OFF ln_OFF: neither is held against a namelist that lacks it."""
    assert not without_effect("namdrg_bot/rn_Cd0", Namelist({"namdrg": {"ln_off": False}}))
    assert without_effect("namdrg_bot/rn_Cd0", Namelist({"namdrg": {"ln_off": True}}))


def test_a_live_parameter_may_need_a_relaunch_under_some_switches(orca1: Namelist) -> None:
    assert how("namdrg_bot/rn_Cd0", orca1).way == registry.LIVE
    linear = how(
        "namdrg_bot/rn_Cd0", Namelist({"namdrg": {"ln_lin": True, "ln_non_lin": False, "ln_loglayer": False}})
    )
    assert linear.way == registry.RELAUNCH and "one of them needs .true." in linear.reason
    assert how("namlbc/rn_shlat", orca1).reason == "NEMO uses it at the start of a run only"


# --- NEMO's two namelists


def test_configuration_goes_over_the_reference_component_by_component(tmp_path: Path) -> None:
    reference = "&namctl\n sn_cfctl%l_runstat = .false.\n sn_cfctl%ptimincr = 1\n/\n"
    values = merged(
        tmp_path, reference, "&namctl\n sn_cfctl%l_runstat = .true.\n/\n&namusr_def\n nn_GYRE = 1\n/\n"
    )
    assert namelists.lookup(values, "namctl/sn_cfctl%l_runstat") is True
    assert namelists.lookup(values, "namctl/sn_cfctl%ptimincr") == 1
    assert namelists.lookup(values, "namusr_def/nn_gyre") == 1, "a group of the user's own is kept"


def test_a_misspelt_entry_names_the_file_and_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"namelist_cfg: .*'rn_edif'.*did you mean 'rn_ediff'"):
        merged(tmp_path, ORCA1, "&namzdf_tke\n rn_edif = 0.2\n/\n")


def test_without_a_reference_the_message_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "namelist_cfg").write_text("&namzdf\n rn_evd = 1.\n/\n")
    with pytest.raises(ConfigurationError, match="SHARED/namelist_ref"):
        namelists.read(tmp_path / "namelist_cfg")


@pytest.mark.parametrize(
    ("entries", "version"),
    [
        ("ln_nnogather = .true. nn_hls = 2 ln_mppdelay = .true.", "5.0"),
        ("ln_nnogather = .true. nn_hls = 1", "4.2"),
    ]
    + [("ln_nnogather = .true.", "4.0")],
)
def test_the_reference_tells_the_version(tmp_path: Path, entries: str, version: str) -> None:
    assert namelists.guess_version(merged(tmp_path, f"&nammpp\n {entries}\n/\n")) == version


def test_a_namelist_of_another_program_has_no_version() -> None:
    with pytest.raises(ConfigurationError, match="name the version"):
        namelists.guess_version(Namelist({"namother": {"a": 1}}))


# --- the command and the page


def nemo_bridge(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "optim.cli", "parameters", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_the_command_shows_values_and_effects_under_a_namelist(tmp_path: Path) -> None:
    merged(tmp_path, ORCA1)
    done = nemo_bridge("--model", "nemo", "--namelist", str(tmp_path / "namelist_cfg"), "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["namzdf_tke/rn_efr"]["value"] == 0.08 and not rows["namzdf_tke/rn_efr"]["without_effect"]
    assert rows["namzdf_tke/rn_mxl0"]["set"] == "refused"
    assert "namsbc_blk/rn_vfac" not in rows, "5.0 does not have it"


@pytest.mark.parametrize("columns", ["80", "130"])
def test_the_table_fits_the_terminal(columns: str) -> None:
    done = nemo_bridge(
        "--model", "nemo", env={**os.environ, "COLUMNS": columns, "PYTHONPATH": str(REPOSITORY)}
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= int(columns)
    for word in ("namzdf_tke", "rn_ediff", "relaunch", "only in 4.0", "× avtb_2d"):
        assert word in done.stdout


def test_options_of_nemo_are_wrong_use_for_another_model() -> None:
    done = nemo_bridge("--version", "5.0")
    assert done.returncode == 2 and "--model nemo" in done.stderr


def test_the_page_of_the_documentation_is_current(tmp_path: Path) -> None:
    script = REPOSITORY / "scripts" / "nemo_parameter_table.py"
    page = tmp_path / "page.md"
    subprocess.run([sys.executable, str(script), str(page)], check=True, timeout=60)
    assert page.read_text() == (REPOSITORY / "docs" / "nemo_parameters.md").read_text(), "run `make docs`"
