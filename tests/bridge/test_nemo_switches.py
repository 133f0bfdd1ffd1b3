"""Namelist switches that rewinding, blow-ups and output need: what is asked for, and what is left alone."""

import pytest

from bridge.errors import ConfigurationError
from bridge.models.nemo import switches
from bridge.namelist import Namelist

#: nothing to find in it, in any version; entries that a version lacks are left out of its namelist
GOOD = {
    "namrun": {"nn_write": -1, "nn_stock": -1, "ln_rst_list": False, "ln_clobber": True},
    "namctl": {"sn_cfctl": {"l_runstat": True, "ptimincr": 1}},
    "nammpp": {"ln_mppdelay": False},
    "namsbc": {"nn_fsbc": 1, "nn_fwb": 0, "nn_ice": 0, "nn_components": 0, "ln_abl": False, "ln_cpl": False},
    "namzdf": {"ln_zdfgls": False, "ln_zdfosm": False},
    "namberg": {"ln_icebergs": False},
}
FLUXES = {"utau", "vtau", "taum", "qns", "qsr", "emp", "sfx"}
MEANS = {"sst_m", "sss_m", "ssu_m", "ssv_m", "ssh_m"}


def namelist(**changes: object) -> Namelist:
    """GOOD with changes "group__entry" or "group__structure__component"."""
    groups = {group: dict(entries) for group, entries in GOOD.items()}
    for name, value in changes.items():
        group, entry, *component = name.split("__")
        target = groups.setdefault(group, {})
        target[entry] = {**target[entry], component[0]: value} if component else value
    return Namelist(groups)


def found(
    version: str = "5.0", keys: tuple = (), saved: set | frozenset = frozenset(), **changes: object
) -> list:
    return switches.check(namelist(**changes), version, keys, saved)


@pytest.mark.parametrize("version", ["5.0", "4.2", "4.0"])
def test_a_namelist_made_for_the_bridge_passes(version: str) -> None:
    assert found(version) == []


@pytest.mark.parametrize(
    ("change", "concerns", "advice"),
    [
        ({"namctl__sn_cfctl__l_runstat": False}, "blow-up", "sn_cfctl%l_runstat = .true."),
        ({"namctl__sn_cfctl__ptimincr": 10}, "blow-up", "sn_cfctl%ptimincr = 1"),
        ({"namrun__ln_clobber": False}, "blow-up", "ln_clobber = .true."),
        ({"namrun__nn_write": 0}, "output", "nn_write = -1"),
        ({"namrun__nn_write": 48}, "output", "nn_write = -1"),
        ({"namsbc__nn_ice": 2}, "rewind", "relaunch"),
        ({"namsbc__nn_fsbc": 4}, "rewind", "nn_fsbc = 1"),
        ({"namsbc__nn_fwb": 2}, "rewind", "another nn_fwb"),
        ({"namzdf__ln_zdfgls": True}, "rewind", "relaunch"),
        ({"namberg__ln_icebergs": True}, "rewind", "relaunch"),
        ({"namsto__ln_sto_eos": True}, "rewind", "relaunch"),
        ({"namsbc__ln_cpl": True}, "rewind", "relaunch"),
    ],
)
def test_what_the_bridge_cannot_do_without_is_refused(change: dict, concerns: str, advice: str) -> None:
    (finding,) = found(**change)
    assert (finding.severity, finding.concerns) == (switches.REFUSED, concerns)
    assert advice in finding.change and finding.why


@pytest.mark.parametrize(
    "change",
    [
        {"namrun__nn_stock": 200},
        {"namrun__ln_rst_list": True},
        {"namhsb__ln_diahsb": True},
        {"nambdy__ln_bdy": True},
    ],
)
def test_what_only_needs_care_is_a_warning(change: dict) -> None:
    (finding,) = found("4.2", **change)
    assert finding.severity == switches.WARNING


def test_delayed_sums_are_refused_where_something_uses_them() -> None:
    (unused,) = found(nammpp__ln_mppdelay=True)
    assert unused.severity == switches.WARNING
    (used,) = found(nammpp__ln_mppdelay=True, namsbc__nn_fwb=1)
    assert (
        used.severity == switches.REFUSED
        and "freshwater" in used.why
        and "ln_mppdelay = .false." in used.change
    )


def test_the_freshwater_budget_of_4_0_is_always_delayed() -> None:
    assert not found("4.2", namsbc__nn_fwb=1)
    (finding,) = found("4.0", namsbc__nn_fwb=1)
    assert finding.severity == switches.REFUSED and "sum of the step before" in finding.why
    assert not found("4.0", saved={"todelay_fwb"}, namsbc__nn_fwb=1)


def test_what_the_running_model_saves_is_no_hidden_state() -> None:
    assert found(namsbc__nn_fsbc=4, saved=MEANS), "the fluxes are kept between the calls, too"
    assert not found(namsbc__nn_fsbc=4, saved=MEANS | FLUXES)
    assert not found(namzdf__ln_zdfgls=True, saved={"hmxl_n"})


def test_keys_of_the_compilation_count_when_they_are_known() -> None:
    (xios,) = found(keys=("key_xios", "key_qco"))
    assert xios.severity == switches.WARNING and xios.here == "compiled with key_xios"
    assert found(keys=("key_agrif",))[0].severity == switches.REFUSED


def test_the_refused_come_first_and_read_as_a_sentence() -> None:
    findings = found(namrun__nn_stock=200, namrun__nn_write=0)
    assert [one.severity for one in findings] == [switches.REFUSED, switches.WARNING]
    assert str(findings[0]).startswith("refused (output): namrun/nn_write = 0; set nn_write = -1 in namrun")


def test_an_entry_that_the_version_lacks_is_not_held_against_it() -> None:
    assert switches.check(Namelist({}), "4.0") == []


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"5\.0, 4\.2, 4\.0"):
        switches.check(Namelist({}), "3.6")
