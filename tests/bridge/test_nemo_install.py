"""The bridge in a NEMO configuration: put in, recognised, taken out, refused. On sources of ours that hold NEMO's
anchor statements and nothing else of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.errors import ConfigurationError
from bridge.models.nemo import install as installation
from bridge.models.nemo.version import read_configuration
from optim.cli.app import app

VERSIONS = ("5.0", "4.2", "4.0")
KEYS = {"5.0": "key_linssh key_RK3", "4.2": "key_qco", "4.0": "key_mpp_mpi"}
STEP_FILE = {"5.0": "stprk3.F90", "4.2": "stpmlf.F90", "4.0": "step.F90"}

TIME_LOOP = """module ours
   USE lib_mpp        ! some words
contains
   subroutine run
      CALL nemo_init               !==  a heading  ==!
      DO WHILE( istp <= nitend .AND. nstop == 0 )
         istp = istp + 1
      END DO
      IF( .NOT.ln_diurnal_only ) THEN                 !==  a heading  ==!
         DO WHILE( istp <= nitend .AND. nstop == 0 )
            istp = istp + 1
         END DO
      ELSE
         DO WHILE( istp <= nitend .AND. nstop == 0 )
            istp = istp + 1
         END DO
      ENDIF
      CALL nemo_closefile
   end subroutine run
   subroutine start
         CALL mpp_start( ilocal_comm )
         CALL mpp_start( )
   end subroutine start
end module ours
"""
STEP = """module ours
   USE step_oce       ! some words
contains
                         CALL sbc     ( kstp, a, b )              ! some words
!!$                      CALL sbc     ( kstp, c, d )
      IF( l_ldftra_time .OR. l_ldfeiv_time )   CALL ldf_tra( kstp, a, b )  !  some words
"""
OTHERS = {
    "SBC/fldread.F90": "   USE lib_mpp\n      ll_firstcall = kt == nit000\n",
    "stpctl.F90": "   USE lib_mpp\n         CALL dia_wri_state( 'output.abort' )     ! some words\n",
    "ZDF/zdftke.F90": "   PUBLIC   tke_rst        ! some words\n",
    "ZDF/zdfdrg.F90": "   PUBLIC   zdf_drg_init    ! some words\n",
    "LDF/ldftra.F90": "   PUBLIC   ldf_eiv_dia    ! some words\n",
    "TRA/tramle.F90": "   PUBLIC   tra_mle_init   ! some words\n",
    "TRA/traqsr.F90": "   PUBLIC   tra_qsr_init  ! some words\n",
    "SBC/sbcssr.F90": "   PUBLIC   sbc_ssr_init   ! some words\n",
    "oce.F90": "   REAL(wp) ::   tsn\n",
}


@pytest.fixture(params=VERSIONS)
def version(request) -> str:
    return request.param


@pytest.fixture
def folder(version: str, tmp_path: Path) -> Path:
    """A configuration in a tree with sources of ours."""
    ocean = tmp_path / "nemo" / "src" / "OCE"
    steps = {"5.0": ("stprk3.F90", "stpmlf.F90"), "4.2": ("stpmlf.F90", "step.F90"), "4.0": ("step.F90",)}[
        version
    ]
    for name, text in {"nemogcm.F90": TIME_LOOP, **dict.fromkeys(steps, STEP), **OTHERS}.items():
        (ocean / name).parent.mkdir(parents=True, exist_ok=True)
        (ocean / name).write_bytes(text.encode())
    (ocean / "SBC" / "sbcssr.F90").write_bytes(
        b"! latin-1: \xe9, a tab\t, Windows\r\n" + OTHERS["SBC/sbcssr.F90"].encode()
    )
    folder = tmp_path / "nemo" / "cfgs" / "MINE"
    folder.mkdir(parents=True)
    (folder / "cpp_MINE.fcm").write_text(f"bld::tool::fppkeys   {KEYS[version]}\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def install(folder: Path, *options: str, code: int = 0) -> str:
    """`nemo-bridge nemo install`, with the exit code that is expected; what it printed."""
    done = CliRunner().invoke(app, ["nemo", "install", str(folder), *options])
    if code:
        assert isinstance(done.exception, ConfigurationError), done.output
        return str(done.exception)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_version_and_keys_are_those_of_the_tree(folder: Path, version: str) -> None:
    configuration = read_configuration(folder)
    assert configuration.version == version
    assert configuration.keys == set(KEYS[version].split())
    assert configuration.step_file == STEP_FILE[version]


def test_call_lines_stand_at_their_anchors(folder: Path, version: str) -> None:
    install(folder)
    lines = [line.rstrip() for line in (folder / "MY_SRC" / "nemogcm.F90").read_text().splitlines()]
    ours = [n for n, line in enumerate(lines) if line.endswith("!nemo_bridge")]
    assert len(ours) == 7

    def before(statement: str) -> str:
        return lines[next(n for n in ours if lines[n].strip().startswith(statement)) - 1].strip()

    def after(statement: str) -> str:
        return lines[next(n for n in ours if lines[n].strip().startswith(statement)) + 1].strip()

    assert before("USE nemo_bridge").startswith("USE lib_mpp")
    assert before("CALL nemo_bridge_start").startswith("CALL nemo_init")
    loop = lines.index("      IF( .NOT.ln_diurnal_only ) THEN                 !==  a heading  ==!")
    begin = next(n for n in ours if "nemo_bridge_begin" in lines[n])
    assert begin == loop + 2 and lines[begin - 1].strip().startswith("DO WHILE")
    assert after("CALL nemo_bridge_end") == "istp = istp + 1"
    assert before("CALL nemo_bridge_close") == "CALL nemo_closefile"
    opened = next(n for n in ours if "nemo_bridge_open" in lines[n])
    assert lines[opened + 1].split("!")[0].strip() == "CALL mpp_start( ilocal_comm )"
    assert not any(line.strip() == "CALL mpp_start( )" for line in lines)
    assert ("Nbb" in lines[begin]) is (version != "4.0")


def test_few_lines_are_inserted(folder: Path, version: str) -> None:
    install(folder)
    counts = installation.count_lines(read_configuration(folder))
    assert counts["nemogcm.F90"] + counts[STEP_FILE[version]] == 10
    assert counts["fldread.F90"] == 2
    assert counts.get("stpctl.F90", 0) == (2 if version == "4.0" else 0)
    modules = ("zdftke.F90", "zdfdrg.F90", "ldftra.F90", "tramle.F90", "traqsr.F90", "sbcssr.F90")
    assert [counts[name] for name in modules] == [1] * 6


def test_header_says_the_version(folder: Path, version: str) -> None:
    install(folder)
    header = (folder / "MY_SRC" / "nemo_bridge_version.h90").read_text()
    assert f"#define NEMO_BRIDGE_VERSION {version.replace('.', '')}" in header
    prognostic = (folder / "MY_SRC" / "nemo_bridge_prognostic.F90").read_text()
    assert ("tsn" in prognostic) is (version == "4.0")
    assert 'include "' not in (folder / "MY_SRC" / "bridge_registration.f90").read_text()


def test_second_time_changes_nothing(folder: Path) -> None:
    install(folder)
    before = contents(folder)
    assert "nothing to do" in install(folder)
    assert contents(folder) == before


def test_dry_run_prints_the_diff_and_changes_nothing(folder: Path, version: str) -> None:
    before = contents(folder.parent.parent)
    printed = install(folder, "--dry-run")
    assert contents(folder.parent.parent) == before
    assert "+      CALL nemo_bridge_start" in printed
    assert f"+++ {folder / 'MY_SRC' / STEP_FILE[version]}" in printed
    assert "bridge_client.f90" in printed


def test_tree_of_nemo_is_only_read(folder: Path) -> None:
    tree = folder.parent.parent / "src"
    before = contents(tree)
    install(folder)
    install(folder, "--remove")
    assert contents(tree) == before


def test_removal_leaves_what_was_there(folder: Path) -> None:
    before = contents(folder)
    install(folder)
    install(folder, "--remove")
    assert contents(folder) == before
    assert "nothing to do" in install(folder, "--remove")


def test_removal_gives_the_users_copies_back(folder: Path) -> None:
    mine = folder / "MY_SRC"
    mine.mkdir()
    (mine / "nemogcm.F90").write_bytes(b"! my own line\r\n" + TIME_LOOP.encode())
    (mine / "zdftke.F90").write_bytes(OTHERS["ZDF/zdftke.F90"].encode().rstrip())  # no newline at the end
    (mine / "unrelated.F90").write_bytes(b"! mine\n")
    before = contents(folder)
    install(folder)
    assert b"! my own line" in (mine / "nemogcm.F90").read_bytes()
    install(folder, "--remove")
    assert contents(folder) == before


def test_removal_keeps_what_the_user_wrote_since(folder: Path) -> None:
    install(folder)
    file = folder / "MY_SRC" / "ldftra.F90"
    file.write_bytes(file.read_bytes() + b"! mine, later\n")
    install(folder, "--remove")
    assert file.read_bytes() == OTHERS["LDF/ldftra.F90"].encode() + b"! mine, later\n"
    assert sorted(contents(folder / "MY_SRC")) == ["ldftra.F90"]


def test_removal_gives_links_and_permissions_back(folder: Path, tmp_path: Path) -> None:
    mine = folder / "MY_SRC"
    mine.mkdir()
    (tmp_path / "shared").mkdir()
    shared = tmp_path / "shared" / "zdftke.F90"
    shared.write_text("! of the whole group\n" + OTHERS["ZDF/zdftke.F90"])
    link = mine / "zdftke.F90"
    link.symlink_to("../../../../shared/zdftke.F90")
    private = mine / "ldftra.F90"
    private.write_text(OTHERS["LDF/ldftra.F90"])
    private.chmod(0o640)
    before = shared.read_text()
    install(folder)
    assert not link.is_symlink() and "PUBLIC   rn_ediff" in link.read_text() and shared.read_text() == before
    assert private.stat().st_mode & 0o777 == 0o640
    install(folder)  # knows of the link still
    install(folder, "--remove")
    assert str(link.readlink()) == "../../../../shared/zdftke.F90" and shared.read_text() == before
    assert private.stat().st_mode & 0o777 == 0o640


def test_removal_keeps_a_file_that_the_link_no_longer_gives(folder: Path, tmp_path: Path) -> None:
    (folder / "MY_SRC").mkdir()
    shared = tmp_path / "zdftke.F90"
    shared.write_text(OTHERS["ZDF/zdftke.F90"])
    link = folder / "MY_SRC" / "zdftke.F90"
    link.symlink_to(shared)
    install(folder)
    shared.write_text("! changed by somebody else\n")
    install(folder, "--remove")
    assert not link.is_symlink() and link.read_text() == OTHERS["ZDF/zdftke.F90"]


def test_copy_in_a_subfolder_is_the_users(folder: Path) -> None:
    """makenemo collects the files below MY_SRC, wherever they are."""
    own = folder / "MY_SRC" / "ZDF" / "zdftke.F90"
    own.parent.mkdir(parents=True)
    own.write_text("! my own line\n" + OTHERS["ZDF/zdftke.F90"])
    before = contents(folder)
    install(folder)
    assert "PUBLIC   rn_ediff" in own.read_text() and not (folder / "MY_SRC" / "zdftke.F90").exists()
    assert installation.count_lines(read_configuration(folder))["zdftke.F90"] == 1
    assert "nothing to do" in install(folder)
    install(folder, "--remove")
    assert contents(folder) == before


def test_two_copies_of_a_file_are_refused(folder: Path) -> None:
    for own in (folder / "MY_SRC" / "zdftke.F90", folder / "MY_SRC" / "ZDF" / "zdftke.F90"):
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(OTHERS["ZDF/zdftke.F90"])
    before = contents(folder)
    assert "expected one zdftke.F90 in MY_SRC" in install(folder, code=2)
    assert contents(folder) == before


@pytest.mark.parametrize("option", [(), ("--remove",)], ids=["install", "remove"])
@pytest.mark.parametrize("text", ["{", "[]", '{"copies": 3}'])
def test_broken_record_is_refused_with_what_to_do(folder: Path, text: str, option: tuple[str, ...]) -> None:
    install(folder)
    (folder / "MY_SRC" / installation.RECORD).write_text(text)
    message = install(folder, *option, code=2)
    assert f"{installation.RECORD}: not what the installation wrote" in message
    assert "delete this file and repeat" in message


def test_removal_without_a_record_takes_what_is_surely_ours(folder: Path, capsys) -> None:
    (folder / "MY_SRC").mkdir()
    (folder / "MY_SRC" / "unrelated.F90").write_text("! mine\n")
    install(folder)
    (folder / "MY_SRC" / installation.RECORD).unlink()
    done = CliRunner().invoke(app, ["nemo", "install", str(folder), "--remove"])
    left = sorted(contents(folder / "MY_SRC"))
    assert not any("bridge" in name for name in left)
    originals = {path.name: path.read_bytes() for path in (folder.parent.parent / "src").rglob("*.F90")}
    assert {name: (folder / "MY_SRC" / name).read_bytes() for name in left if name != "unrelated.F90"} == {
        name: originals[name] for name in left if name != "unrelated.F90"
    }
    said = done.output + done.stderr
    assert "delete them if they are not yours" in said and "ldftra.F90" in said


def test_lost_record_is_written_again(folder: Path) -> None:
    install(folder)
    (folder / "MY_SRC" / installation.RECORD).unlink()
    assert installation.RECORD in install(folder)
    assert "nothing to do: " in install(folder)


def test_newer_sources_replace_older_ones(folder: Path) -> None:
    install(folder)
    complete = contents(folder)
    file = folder / "MY_SRC" / "nemogcm.F90"
    file.write_bytes(file.read_bytes().replace(b"CALL nemo_bridge_start ", b"CALL nemo_bridge_older "))
    (folder / "MY_SRC" / "bridge_client.f90").write_text("! an older release\n")
    printed = install(folder)
    assert "replace" in printed and "nemo_bridge_older" in printed
    assert contents(folder) == complete


@pytest.mark.parametrize(
    ("name", "anchor", "said"),
    [
        ("SBC/fldread.F90", "ll_firstcall = kt == nit000", "'ll_firstcall = kt == nit000' is missing"),
        ("ZDF/zdftke.F90", "tke_rst", "'PUBLIC tke_rst …' is missing"),
        ("nemogcm.F90", "CALL mpp_start( )", "'CALL mpp_start( )' is missing"),
        ("nemogcm.F90", "ln_diurnal_only", "'IF( .NOT. ln_diurnal_only ) THEN' is missing"),
    ],
)
def test_missing_anchor_is_refused(folder: Path, name: str, anchor: str, said: str) -> None:
    file = folder.parent.parent / "src" / "OCE" / name
    file.write_text(file.read_text(encoding="latin-1").replace(anchor, "another statement"))
    before = contents(folder)
    message = install(folder, code=2)
    assert str(file) in message and said in message, message
    assert contents(folder) == before


def test_ambiguous_anchor_is_refused(folder: Path, version: str) -> None:
    mine = folder / "MY_SRC"
    mine.mkdir()
    (mine / STEP_FILE[version]).write_text(STEP + "      CALL sbc ( kstp )\n")
    before = contents(folder)
    message = install(folder, code=2)
    assert str(mine / STEP_FILE[version]) in message and "ambiguous (lines 4, 7)" in message, message
    assert contents(folder) == before


def test_continued_anchor_is_refused(folder: Path, version: str) -> None:
    file = folder.parent.parent / "src" / "OCE" / STEP_FILE[version]
    file.write_text(STEP.replace("CALL sbc     ( kstp, a, b )", "CALL sbc     ( kstp, a, &"))
    assert "is continued (&)" in install(folder, code=2)


def test_failed_write_changes_nothing(folder: Path, monkeypatch) -> None:
    before = contents(folder)
    configuration = read_configuration(folder)
    changes = installation.plan_install(configuration)
    whole = installation._write

    def fail(file: Path, text: str | None, link: str | None = None) -> None:
        if file.name == "nemo_bridge.F90" and text is not None:
            raise OSError(28, "No space left on device", str(file))
        whole(file, text, link)

    monkeypatch.setattr(installation, "_write", fail)
    with pytest.raises(ConfigurationError, match="No space left on device; nothing was changed"):
        installation.apply(configuration, changes)
    assert contents(folder) == before


def test_other_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    assert "no NEMO source tree above it" in install(tmp_path, code=2)
    assert "expected a configuration" in install(folder.parent, code=2)
    (folder / "cpp_MINE.fcm").unlink()
    assert "cpp_MINE.fcm" in install(folder, code=2)


@pytest.mark.parametrize(
    ("keys", "said"), [("key_mpi_off", "compiled without MPI"), ("key_agrif key_mpp_mpi", "key_agrif")]
)
def test_keys_that_the_bridge_cannot_serve_are_refused(folder: Path, keys: str, said: str) -> None:
    (folder / "cpp_MINE.fcm").write_text(f"bld::tool::fppkeys {keys}\n")
    assert said in install(folder, code=2)


def test_unknown_version_is_refused(folder: Path) -> None:
    for name in ("stprk3.F90", "stpmlf.F90", "step.F90"):
        (folder.parent.parent / "src" / "OCE" / name).unlink(missing_ok=True)
    assert "neither NEMO 5.0" in install(folder, code=2)


def test_communicator_of_another_library_is_warned_of(folder: Path, version: str, capsys) -> None:
    (folder / "cpp_MINE.fcm").write_text(f"bld::tool::fppkeys {KEYS[version]} key_xios\n")
    done = CliRunner().invoke(app, ["nemo", "install", str(folder)])
    assert done.exit_code == 0
    assert "warning: with key_xios" in done.output + done.stderr
