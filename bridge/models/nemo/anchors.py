"""Where our lines go in NEMO's files: anchor statements per version, as data.

An anchor is a whole statement, whose blanks and case do not matter; "…" stands for the rest of the line. Exactly one
line of the file must hold it, or with `after` the first line that follows the one line holding `after`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.models.nemo.version import Configuration


@dataclass(frozen=True)
class Edit:
    """Lines to be put before or after a statement of a file, or in its place."""

    anchor: str
    lines: tuple[str, ...]
    place: str = "after"  # or "before", "replace"
    after: str = ""


@dataclass(frozen=True)
class FileEdits:
    """All edits of one file."""

    name: str
    edits: tuple[Edit, ...]


_LEVELS = "istp, Nbb, Nnn, Naa, Nrhs"
_STANDARD_LOOP = "IF( .NOT. ln_diurnal_only ) THEN"


def edits_for(configuration: Configuration) -> list[FileEdits]:
    """What is to be inserted into which file of this NEMO."""
    old = configuration.version == "4.0"
    files = [_time_loop(old), _step(configuration.step_file), _forcing_reader()]
    if old:
        files.append(_control())
    return files + [_public(name, anchor, names(configuration)) for name, anchor, names in _PRIVATE]


def _time_loop(old: bool) -> FileEdits:
    arguments = "istp" if old else _LEVELS
    return FileEdits(
        "nemogcm.F90",
        (
            Edit("USE lib_mpp …", ("USE nemo_bridge",)),
            Edit(
                "CALL mpp_start( )",
                ("CALL nemo_bridge_open( ilocal_comm )", "CALL mpp_start( ilocal_comm )"),
                place="replace",
            ),
            Edit("CALL nemo_init …", ("CALL nemo_bridge_start",)),
            Edit(
                "DO WHILE( istp <= nitend .AND. nstop == 0 )",
                (f"   IF( .NOT. nemo_bridge_begin( {arguments} ) )   EXIT",),
                after=_STANDARD_LOOP,
            ),
            Edit("istp = istp + 1", (f"CALL nemo_bridge_end( {arguments} )",), "before", _STANDARD_LOOP),
            Edit("CALL nemo_closefile", ("CALL nemo_bridge_close",)),
        ),
    )


def _step(name: str) -> FileEdits:
    return FileEdits(
        name,
        (
            Edit("USE step_oce …", ("USE nemo_bridge",)),
            Edit("CALL sbc( kstp …", ("CALL nemo_bridge_fluxes( kstp )",)),
            Edit(
                "IF( l_ldftra_time .OR. l_ldfeiv_time ) CALL ldf_tra( kstp …",
                ("CALL nemo_bridge_eddy_coefficients",),
            ),
        ),
    )


def _forcing_reader() -> FileEdits:
    """Forcing records are read anew after a rewind: NEMO remembers which it holds."""
    return FileEdits(
        "fldread.F90",
        (
            Edit("USE lib_mpp …", ("USE nemo_bridge_rewind",)),
            Edit("ll_firstcall = kt == nit000", ("ll_firstcall = ll_firstcall .OR. nemo_bridge_rewound",)),
        ),
    )


def _control() -> FileEdits:
    """4.0 stops the whole job when it finds a blow-up; with a server, the server decides."""
    return FileEdits(
        "stpctl.F90",
        (
            Edit("USE lib_mpp …", ("USE nemo_bridge_rewind",)),
            Edit(
                "CALL dia_wri_state( 'output.abort' ) …",
                ("IF( nemo_bridge_blew_up() )   RETURN",),
                place="before",
            ),
        ),
    )


def _light(configuration: Configuration) -> str:
    if configuration.version == "5.0":
        return "nk0, nkV, nkR, nkG, nkB, r1_si0, r1_si1, r1_LR, r1_LG, r1_LB, qsr_ext_lev"
    return "xsi0r, xsi1r"


#: file, anchor, and which of its private names the bridge reads and writes
_PRIVATE: tuple[tuple[str, str, Callable[[Configuration], str]], ...] = (
    (
        "zdftke.F90",
        "PUBLIC tke_rst …",
        lambda _: (
            "rn_ediff, rn_ediss, rn_ebb, rn_emin, rn_emin0, rn_mxl0, rn_efr, rn_lc, ln_mxl0, ri_cri, rmxl_min, dissl"
        ),
    ),
    ("zdfdrg.F90", "PUBLIC zdf_drg_init …", lambda _: "ln_non_lin"),
    ("ldftra.F90", "PUBLIC ldf_eiv_dia …", lambda _: "aht0, aei0"),
    (
        "tramle.F90",
        "PUBLIC tra_mle_init …",
        lambda _: "nn_mle, rn_ce, rn_lf, rn_time, rn_lat, rn_rho_c_mle, rb_c, rc_f, rfu, rfv, r1_ft",
    ),
    ("traqsr.F90", "PUBLIC tra_qsr_init …", _light),
    ("sbcssr.F90", "PUBLIC sbc_ssr_init …", lambda _: "rn_dqdt, rn_deds, rn_sssr_bnd"),
)


def _public(name: str, anchor: str, names: str) -> FileEdits:
    return FileEdits(name, (Edit(anchor, (f"PUBLIC   {names}",)),))
