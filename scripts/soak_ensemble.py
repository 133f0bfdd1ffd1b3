"""Runs through one Ensemble over ZMQ while its instances are being killed and replaced: is every outcome right?

    python scripts/soak_ensemble.py --instances 8 --runs 200

Right means: in the order of the batch, completed, and of the same bits as from an ensemble that nobody disturbs.
Victims get SIGKILL or SIGSTOP, the model's process or its mpirun. Prints figures as JSON; exit code 1 if a run is wrong
or a process outlived its mpirun.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bridge import Params, Recording, Trajectory, namelist
from bridge.ensemble import Ensemble
from bridge.guard import end_session, session_members
from bridge.launch import Job, Program, mpi_environment, mpirun_command
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[1] / "examples" / "gyre" / "namelist_cfg"
_PATIENCE = "6"  # s: what a stopped instance costs
_LONGEST_END = 15.0  # s for processes to notice that their job is over


class Fleet:
    """Instances of toy_ocean that come to an endpoint, each a job of its own in a run directory of its own."""

    def __init__(self, folder: Path, endpoint: str, ranks: int) -> None:
        self.folder, self.endpoint, self.ranks = folder, endpoint, ranks
        self.jobs: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """One more instance, with the next label."""
        label = len(self.jobs)
        home = self.folder / f"instance{label}"
        settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": False}}
        toy_ocean.prepare(home, namelist.apply(toy_ocean.read_namelist(GYRE), settings), GYRE.parent)
        argv = [str(toy_ocean.executable()), toy_ocean.NAMELIST]
        job = Job([Program(argv, self.ranks, home, home / "model.log")])
        settings = {"NEMO_BRIDGE_ENDPOINT": self.endpoint, "NEMO_BRIDGE_INSTANCE": str(label)}
        with (home / "mpirun.log").open("wb") as log:
            # Several jobs on one machine: each for itself would think that it has all the cores.
            environment = mpi_environment(1000) | {"NEMO_BRIDGE_PATIENCE": _PATIENCE} | settings
            command = mpirun_command(job)
            self.jobs.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
            )

    @property
    def alive(self) -> list[subprocess.Popen[bytes]]:
        """Instances that have not ended."""
        return [job for job in self.jobs if job.poll() is None]

    def orphans(self) -> list[int]:
        """Processes that have outlived their mpirun, a while after all is over."""
        deadline = time.monotonic() + _LONGEST_END
        while (left := self._outliving()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def end(self) -> None:
        """End whatever is left."""
        for job in self.jobs:
            end_session(job.pid)
            job.wait()

    def _outliving(self) -> list[int]:
        ended = [job for job in self.jobs if job.poll() is not None]
        return [process for job in ended for process in session_members(job.pid)]


class Killer(threading.Thread):
    """Kills or stops a process of some instance now and then, and starts another instance in its place."""

    def __init__(self, fleet: Fleet, every: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.fleet, self.every, self.random = fleet, every, random.Random(seed)
        self.blows: Counter[str] = Counter()
        self._over = threading.Event()

    def run(self) -> None:
        """Until `cease`."""
        while not self._over.wait(self.random.expovariate(1 / self.every)):
            if not (alive := self.fleet.alive):
                continue
            job = self.random.choice(alive)
            model = [process for process in session_members(job.pid) if process != job.pid]
            blow = self.random.choice(["kill model", "kill model", "kill mpirun", "stop model"])
            victim = job.pid if blow == "kill mpirun" or not model else self.random.choice(model)
            os.kill(victim, signal.SIGSTOP if blow == "stop model" else signal.SIGKILL)
            self.blows[blow] += 1
            self.fleet.start()

    def cease(self) -> None:
        """No further blows."""
        self._over.set()
        self.join()


def runs_of(ensemble: Ensemble, batch: Sequence[Params], steps: int) -> list[Trajectory]:
    """The batch, from the state at the start."""
    record = Recording(("thetao", "uo", "zos"), steps // 2)
    return ensemble.map(batch, ensemble.snapshot(), steps, record)


def undisturbed(folder: Path, batch: Sequence[Params], steps: int) -> list[Trajectory]:
    """What two instances make of the batch when nobody kills them."""
    endpoint = f"ipc://{folder}/meet"
    fleet = Fleet(folder, endpoint, ranks=1)
    try:
        for _ in range(2):
            fleet.start()
        with Ensemble.over_zmq(endpoint, 2) as ensemble:
            return runs_of(ensemble, batch, steps)
    finally:
        fleet.end()


def same(one: Trajectory, other: Trajectory) -> bool:
    """Both completed, with the same parameters and bits?"""
    alike = one.outcome == other.outcome and one.params == other.params and one.outcome.completed
    return alike and all(np.array_equal(one.fields[name], values) for name, values in other.fields.items())


def soak(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """The whole experiment; its figures."""
    values = np.linspace(0.02, 0.5, options.runs)
    batch: list[Params] = [{"namzdf_tke": {"rn_ediff": float(value)}} for value in values]
    (folder / "reference").mkdir()
    expected = undisturbed(folder / "reference", batch, options.steps)
    (disturbed := folder / "disturbed").mkdir()
    endpoint = f"ipc://{disturbed}/meet"
    fleet = Fleet(disturbed, endpoint, options.ranks)
    killer = Killer(fleet, options.every, options.seed)
    try:
        for _ in range(options.instances):
            fleet.start()
        # Here a run is unlucky, not guilty, when its instance dies: it is made again as often as need be.
        with Ensemble.over_zmq(endpoint, options.instances, attempts=1000) as ensemble:
            killer.start()
            began = time.monotonic()
            runs = runs_of(ensemble, batch, options.steps)
            seconds = time.monotonic() - began
            killer.cease()
        orphans = fleet.orphans()
        late = len(fleet.alive)
    finally:
        fleet.end()
    return {
        "instances": options.instances,
        "ranks": options.ranks,
        "runs": len(runs),
        "runs_right": sum(same(mine, theirs) for mine, theirs in zip(runs, expected, strict=True)),
        "blows": dict(killer.blows),
        "instances_started": len(fleet.jobs),
        "instances_too_late": late,  # they wait at the endpoint for another server, or were stopped before they came
        "orphans": len(orphans),
        "seconds": round(seconds, 1),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=int, default=8)
    parser.add_argument("--ranks", type=int, default=1, help="MPI ranks of each instance")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=48, help="steps of each run")
    parser.add_argument("--every", type=float, default=2.0, help="mean seconds between two blows")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ["NEMO_BRIDGE_PATIENCE"] = _PATIENCE
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        figures = soak(Path(folder), options)
    print(json.dumps(figures, indent=1))
    return 0 if figures["runs_right"] == options.runs and not figures["orphans"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
