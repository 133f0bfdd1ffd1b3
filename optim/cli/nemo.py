"""`nemo-bridge nemo`: the bridge in a NEMO configuration, whether an executable answers, an ORCA1 of our own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.models.nemo import install as installation
from bridge.models.nemo.version import Configuration, read_configuration
from optim.cli import nemo_orca1

app = typer.Typer(
    help="Put the bridge into a NEMO configuration, and ask whether it answers.", no_args_is_help=True
)
app.add_typer(nemo_orca1.app, name="orca1")


@app.command()
def install(
    folder: Annotated[Path, typer.Argument(metavar="CONFIG_DIR", help="NEMO/cfgs/NAME or NEMO/tests/NAME")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the diff and change nothing")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="take everything out again")] = False,
) -> None:
    """Put our sources and call lines into MY_SRC of a configuration; compile it with makenemo afterwards.

    The diff is printed first. NEMO's own tree is only read. A second time changes nothing.
    """
    configuration = read_configuration(folder)
    plan = installation.plan_removal if remove else installation.plan_install
    changes = plan(configuration)
    sys.stdout.write(installation.diff(changes))
    if not changes and not remove and not dry_run and not installation.has_record(configuration):
        installation.apply(configuration, changes)
        print(f"nothing to do but to write {installation.RECORD}, which was not there")
        return
    if not changes:
        print(f"nothing to do: {configuration.own_sources} is as it should be")
        return
    if dry_run:
        print(f"NEMO {configuration.version}: {len(changes)} files would change (--dry-run)")
        return
    kept = installation.own_again(changes, configuration) if remove else []
    installation.apply(configuration, changes, removing=remove)
    _report(configuration, len(changes), remove)
    if kept:
        print(
            f"nemo-bridge: warning: {installation.RECORD} was not there, so these were left; they are NEMO's own "
            f"again: delete them if they are not yours: {' '.join(path.name for path in kept)}",
            file=sys.stderr,
        )


def _report(configuration: Configuration, changed: int, removed: bool) -> None:
    print(f"NEMO {configuration.version}: {changed} files changed in {configuration.own_sources}")
    if removed:
        return
    counts = installation.count_lines(configuration)
    print("lines inserted: " + ", ".join(f"{name} {number}" for name, number in counts.items()))
    foreign = sorted(configuration.keys & {"key_xios", "key_iomput", "key_oasis3"})
    if foreign:
        print(
            f"nemo-bridge: warning: with {', '.join(foreign)} NEMO gets its communicator from another library and the "
            "bridge stands aside; compile without it",
            file=sys.stderr,
        )


@app.command()
def check(
    exe: Annotated[Path, typer.Option("--exe", help="NEMO executable, compiled after an installation")],
    directory: Annotated[
        Path, typer.Option("--directory", help="run directory with namelists and input files")
    ],
    ranks: Annotated[int, typer.Option("--ranks", min=1, help="MPI ranks of NEMO")] = 1,
    timeout: Annotated[float, typer.Option(help="seconds to wait for NEMO's first step")] = 300.0,
) -> None:
    """Does the executable answer? Its version, grid, precision, fields and parameters."""
    from optim.cli.nemo_check import run_check

    raise typer.Exit(run_check(exe, directory, ranks, timeout))
