"""Namelist switches that the bridge needs: to rewind exactly, to survive a blow-up, to write no file twice.

A rewind is exact when everything that a step reads is either restored or a function of the date. What NEMO keeps
elsewhere (a delayed global sum, a random generator, a sea-ice model) is found here before a run is spent on it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bridge.models.nemo.namelists import VERSIONS, Condition, check_version
from bridge.namelist import Namelist

REFUSED, WARNING = "refused", "warning"
BLOW_UP, REWIND, OUTPUT = "blow-up", "rewind", "output"
_TRUE = (True,)


@dataclass(frozen=True)
class Rule:
    """A finding when all conditions of `when` hold (`unless`: one that must not), in these versions of NEMO.

    `key`: only for a NEMO compiled with it. `state`: what a snapshot must hold for the rule to be silent.
    """

    severity: str
    concerns: str
    when: tuple[Condition, ...]
    change: str
    why: str
    unless: Condition | None = None
    versions: tuple[str, ...] = VERSIONS
    key: str = ""
    state: tuple[str, ...] = ()

    def fires(self, values: Namelist, version: str, keys: Collection[str], saved: Collection[str]) -> bool:
        """True when this namelist needs the change."""
        if version not in self.versions or (self.key and self.key not in keys):
            return False
        if self.state and set(self.state) <= set(saved):
            return False
        # an entry that the namelist lacks belongs to another version: neither wrong nor right
        wrong = self.unless is None or self.unless.holds(values) is False
        return wrong and all(condition.holds(values) for condition in self.when)


@dataclass(frozen=True)
class Finding:
    """What to change in a namelist ("refused": or else; "warning": consider it), for what, and why."""

    severity: str
    concerns: str
    here: str
    change: str
    why: str

    def __str__(self) -> str:
        return f"{self.severity} ({self.concerns}): {self.here}; {self.change}: {self.why}"


def check(
    values: Namelist, version: str, keys: Collection[str] = (), saved: Collection[str] = ()
) -> list[Finding]:
    """What a namelist (cfg over ref) should change for the bridge, the refused first.

    `keys`: the cpp keys that NEMO was compiled with, where they are known. `saved`: names of the state that the
    running model says it saves; what it saves needs no warning.
    """
    version = check_version(version)
    fired = [rule for rule in RULES if rule.fires(values, version, keys, saved)]
    findings: dict[str, Finding] = {}
    for rule in sorted(fired, key=lambda rule: rule.severity != REFUSED):
        here = _here(rule, values)
        findings.setdefault(here, Finding(rule.severity, rule.concerns, here, rule.change, rule.why))
    return list(findings.values())


def _here(rule: Rule, values: Namelist) -> str:
    decisive = (rule.unless,) if rule.unless is not None else rule.when[:1]
    return (
        " and ".join(condition.state(values) for condition in decisive if condition)
        or f"compiled with {rule.key}"
    )


def _is(entry: str | tuple[str, ...], *accepted: object) -> Condition:
    return Condition((entry,) if isinstance(entry, str) else entry, accepted or _TRUE)


def _hidden_state(entry: str | tuple[str, ...], *accepted: object, what: str, **more: object) -> Rule:
    """A part of NEMO with a state of its own that snapshots do not hold."""
    return Rule(
        severity=REFUSED,
        concerns=REWIND,
        when=(_is(entry, *accepted),),
        change="switch it off, or relaunch NEMO for each run instead of rewinding",
        why=f"{what} and snapshots do not hold it",
        **more,  # type: ignore[arg-type]
    )


def _unrestored_diagnostic(entry: str | tuple[str, ...]) -> Rule:
    return Rule(
        severity=WARNING,
        concerns=OUTPUT,
        when=(_is(entry),),
        change="set it to .false.",
        why="this diagnostic accumulates over steps and is not rewound: its files would mix several runs "
        "(the ocean itself is not affected)",
    )


_DELAYED = _is("nammpp/ln_mppdelay")
_MPPDELAY = "set ln_mppdelay = .false. in nammpp"

_BLOW_UPS = (
    Rule(
        severity=REFUSED,
        concerns=BLOW_UP,
        when=(),
        unless=_is("namctl/sn_cfctl%l_runstat"),
        change="set sn_cfctl%l_runstat = .true. in namctl",
        why="without it only the ranks that see a blow-up know of it, and NEMO aborts the whole MPI job, "
        "Python included",
    ),
    Rule(
        severity=REFUSED,
        concerns=BLOW_UP,
        when=(),
        unless=_is("namctl/sn_cfctl%ptimincr", 1),
        change="set sn_cfctl%ptimincr = 1 in namctl",
        why="between its multiples the ranks do not tell each other of a blow-up, and NEMO aborts the whole MPI job",
    ),
    Rule(
        severity=REFUSED,
        concerns=BLOW_UP,
        when=(),
        unless=_is("namrun/ln_clobber"),
        change="set ln_clobber = .true. in namrun",
        why="each blow-up writes output.abort; with the second one NEMO stops because the file is there",
    ),
)

_OUTPUT = (
    Rule(
        severity=REFUSED,
        concerns=OUTPUT,
        when=(),
        unless=_is("namrun/nn_write", -1),
        change="set nn_write = -1 in namrun (with XIOS it has no effect)",
        why="after a rewind NEMO would write the same step again, and its output library aborts the job",
    ),
    Rule(
        severity=WARNING,
        concerns=OUTPUT,
        when=(),
        change="leave enabled no file in file_def_nemo.xml, or relaunch for each run",
        why="the calendar of XIOS is not made to go back; rewinding with XIOS output is untested",
        key="key_xios",
    ),
    Rule(
        severity=WARNING,
        concerns=OUTPUT,
        when=(),
        unless=_is("namrun/nn_stock", -1, 0),
        change="set nn_stock = -1 in namrun, and let the bridge write restarts",
        why="a restart file is opened one step before it is written: a rewind or a blow-up between the two leaves it "
        "half defined, and its content is that of whichever run came last",
    ),
    Rule(
        severity=WARNING,
        concerns=OUTPUT,
        when=(_is("namrun/ln_rst_list"),),
        change="set ln_rst_list = .false. and nn_stock = -1 in namrun",
        why="the list of restart steps goes on where the run before the rewind had left it",
    ),
    *(
        _unrestored_diagnostic(entry)
        for entry in (
            *("namhsb/ln_diahsb", "nam_dia25h/ln_dia25h", "nam_diatmb/ln_diatmb", "nam_diadct/ln_diadct"),
            *(
                "namflo/ln_floats",
                "namcrs/ln_crs",
                "namdom/ln_crs",
                "namobs/ln_diaobs",
                "nam_diaharm/ln_diaharm",
            ),
            *("namtrd/ln_glo_trd", "namtrd/ln_tra_mxl", "namtrd/ln_dyn_mxl"),
        )
    ),
)

_SUMS = (
    *(
        Rule(
            REFUSED,
            REWIND,
            (_DELAYED, user),
            _MPPDELAY,
            f"{what} uses the sum of the step before, which is not rewound",
        )
        for user, what in (
            (_is("namsbc/nn_fwb", 1, 2, 3, 4), "the freshwater budget (nn_fwb)"),
            (_is("namcfg/ln_closea"), "the balance of closed seas (ln_closea)"),
            (_is("namisf/ln_isf"), "ice-shelf melting (ln_isf)"),
            (_is("namsbc/ln_apr_dyn"), "the mean air pressure (ln_apr_dyn)"),
        )
    ),
    Rule(
        WARNING,
        REWIND,
        (_DELAYED,),
        _MPPDELAY,
        "delayed global sums belong to the step before and are not rewound; nothing found here uses them, "
        "but it costs nothing to be sure",
    ),
    Rule(
        severity=REFUSED,
        concerns=REWIND,
        when=(_is("namsbc/nn_fwb", 1),),
        change="set nn_fwb = 0, or relaunch NEMO for each run instead of rewinding",
        why="NEMO 4.0 always corrects the freshwater budget with the sum of the step before, which is not rewound",
        versions=("4.0",),
        state=("todelay_fwb",),
    ),
    Rule(
        severity=REFUSED,
        concerns=REWIND,
        when=(_is("namsbc/nn_fwb", 2),),
        change="set another nn_fwb, or relaunch NEMO for each run instead of rewinding",
        why="the freshwater correction changes at the turn of the year and is not rewound",
        state=("a_fwb",),
    ),
)

_STATE = (
    _hidden_state("namsbc/nn_ice", 2, 3, what="the sea-ice model has a state of its own", state=("a_i",)),
    _hidden_state(
        "namzdf/ln_zdfgls", what="the GLS closure has a mixing length of its own", state=("hmxl_n",)
    ),
    _hidden_state(
        "namzdf/ln_zdfosm", what="the OSMOSIS closure has a boundary-layer depth of its own", state=("hbl",)
    ),
    _hidden_state(
        "namtra_eiv/nn_aei_ijk_t", 32, what="GEOMETRIC has an eddy energy of its own", state=("eke_geom",)
    ),
    _hidden_state(
        ("nam_vvl/ln_vvl_ztilde", "nam_vvl/ln_vvl_layer"),
        what="this vertical coordinate has layer thicknesses of its own",
        state=("tilde_e3t_n",),
    ),
    _hidden_state("namberg/ln_icebergs", what="the icebergs have positions of their own"),
    _hidden_state("namdiu/ln_diurnal", what="the warm layer has a temperature of its own", state=("x_dsst",)),
    _hidden_state(
        "namsbc_blk/ln_skin_wl", what="the warm layer has a temperature of its own", state=("dT_wl",)
    ),
    _hidden_state("namsbc/ln_abl", what="the atmospheric boundary layer has a state of its own"),
    _hidden_state(
        tuple(f"namsbc/{entry}" for entry in ("ln_cpl", "ln_mixcpl")),
        what="the coupled atmosphere has a state of its own",
    ),
    _hidden_state(
        "namsbc/nn_components", 1, 2, what="the surface module in another program has a state of its own"
    ),
    _hidden_state(
        tuple(f"namsto/ln_sto_{name}" for name in ("eos", "ldf", "hpg", "pstar", "trd", "trc")),
        what="the stochastic parametrisation has random numbers of its own",
    ),
    _hidden_state(
        ("nam_asminc/ln_asmiau", "nam_asminc/ln_asmdin"), what="assimilation increments depend on the step"
    ),
    Rule(
        severity=REFUSED,
        concerns=REWIND,
        when=(),
        change="compile without it, or relaunch NEMO for each run instead of rewinding",
        why="nested grids have states of their own and snapshots do not hold them",
        key="key_agrif",
    ),
    Rule(
        severity=REFUSED,
        concerns=REWIND,
        when=(),
        change="compile without it, or relaunch NEMO for each run instead of rewinding",
        why="passive tracers have a state of their own and snapshots do not hold it",
        key="key_top",
        state=("tr",),
    ),
    Rule(
        severity=REFUSED,
        concerns=REWIND,
        when=(),
        unless=_is("namsbc/nn_fsbc", 1),
        change="set nn_fsbc = 1, or relaunch NEMO for each run instead of rewinding",
        why="between two calls of the surface module NEMO keeps means of the surface fields, and the fluxes",
        state=(
            *("sst_m", "sss_m", "ssu_m", "ssv_m", "ssh_m"),
            *("utau", "vtau", "taum", "qns", "qsr", "emp", "sfx"),
        ),
    ),
    Rule(
        severity=WARNING,
        concerns=REWIND,
        when=(_is("nambdy/ln_bdy"),),
        change="check a rewind first: run, restore, run again and compare",
        why="open boundaries are untested with rewinding",
    ),
)

#: everything that is checked
RULES = (*_BLOW_UPS, *_OUTPUT, *_SUMS, *_STATE)
