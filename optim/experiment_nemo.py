"""What an experiment needs of NEMO: identity of its runs and start of the window. There is no surrogate of it yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import ConfigurationError
from bridge.ledger import Ledger
from bridge.ledger_key import content_hash
from bridge.models.nemo import namelists, run_directory, switches
from bridge.namelist import Namelist
from bridge.protocol import Role
from bridge.relaunch import RelaunchedModel
from bridge.relaunch_batch import RelaunchedEnsemble
from optim.experiment import Progress, Setting
from optim.experiment_file import Experiment, refuse_spin_up
from optim.experiment_spin_up import spin_up
from optim.forward import Identity

if TYPE_CHECKING:
    from bridge.ensemble import Ensemble
    from bridge.session import Session


def prepare(
    experiment: Experiment,
    session: Session | Ensemble | RelaunchedModel | RelaunchedEnsemble,
    ledger: Ledger,
    directory: Path,
    progress: Progress,
) -> Setting:
    """The setting of an experiment with the NEMO that runs in `directory`/model."""
    source = _path(experiment, "directory")  # the copy in the run directory changes when NEMO is relaunched
    known = run_directory.read_namelist(source)
    identity = Identity(
        executable=run_directory.executable(_path(experiment, "executable")),
        namelist=known.groups,
        forcing=[run_directory.input_files(source, known), run_directory.files_elsewhere(source, known)],
        start=_recipe(experiment, session),
    )
    if isinstance(session, RelaunchedModel | RelaunchedEnsemble):
        asked = experiment.model.get("relaunch") is True
        why = "relaunch = true" if asked else "some parameters take effect at the start of a run only"
        progress(f"{why}: NEMO is started anew for each run")
        refuse_spin_up(experiment)
        return Setting(session, session.snapshot(), identity, ledger)
    _check_switches(known, session, progress)
    snapshot = spin_up(experiment, session, identity, directory, progress)
    return Setting(model=session, snapshot=snapshot, identity=identity, ledger=ledger)


def _recipe(
    experiment: Experiment, session: Session | Ensemble | RelaunchedModel | RelaunchedEnsemble
) -> str:
    """What the window's initial state is made by, besides the program, its namelist and its files.

    Its bytes would not do: NEMO's arrays have cells that it never writes, which hold something else at every start.
    """
    if isinstance(session, RelaunchedModel | RelaunchedEnsemble):
        return content_hash(["relaunched", session.ranks])
    ranks = len(session.registration.decomposition.tiles)
    return content_hash(["running", ranks, experiment.window.spinup_days, experiment.fixed])


def _path(experiment: Experiment, entry: str) -> Path:
    """A path of [model], which counts from the folder of the experiment file."""
    return (experiment.path.parent / str(experiment.model[entry])).expanduser().resolve()


def _check_switches(known: Namelist, session: Session | Ensemble, progress: Progress) -> None:
    """ConfigurationError for namelist switches under which a rewind would not be exact; warnings as progress."""
    version = namelists.guess_version(known)
    saved = {entry.name for entry in session.registration.of_role(Role.STATE)}
    findings = switches.check(known, version, saved=saved)
    refused = [str(finding) for finding in findings if finding.severity == switches.REFUSED]
    if refused:
        raise ConfigurationError("\n".join([f"{known.source}:", *refused]))
    for finding in findings:
        progress(str(finding))
