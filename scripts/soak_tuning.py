"""Soak: tuning jobs of which random processes are killed at random moments, resumed until they are done.

    python scripts/soak_tuning.py --kills 300 --directory /tmp/soak

Server, launchers, model ranks and guards get SIGKILL, SIGINT or SIGSTOP. In the end each experiment must have the
result of an undisturbed one; no job may hang, leave a process behind, lose a finished run or make one twice. Exit code
1 if any did. Figures are printed, and written to `figures.json` in the directory.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MARK = "SOAK_MARK"
WAYS = {
    "mpi": ["--transport", "mpi"],
    "mpi, 2 instances": ["--transport", "mpi", "--instances", "2"],
    "zmq": ["--transport", "zmq"],
    "zmq, 2 instances": ["--transport", "zmq", "--instances", "2"],
    "zmq, 3 instances": ["--transport", "zmq", "--instances", "3"],
}
SIGNALS = [signal.SIGKILL] * 6 + [signal.SIGINT, signal.SIGSTOP]
MOST_KILLS = 10  # of one experiment, which then may end in peace
LIMIT = 150.0  # s without a kill and without a run made after which a job counts as hung
PATIENCE = 8  # s, of the bridge
SUSPENSION = 3.0  # s for which nemo-bridge or a guard is stopped: nobody watches over these

EXPERIMENT = """
budget = { model_runs = 18 }
prior = false
[model]
namelist = "namelist_cfg"
ranks = 2
timeout = 20.0
[window]
days = 4.0
every = 12
[[controls]]
group = "namzdf_tke"
entry = "rn_ediff"
lower = 0.02
upper = 0.5
prior_mean = 0.1
prior_spread = 0.05
transform = "log"
start = 0.2
[[controls]]
group = "namsbc_ssr"
entry = "rn_dqdt"
lower = -100.0
upper = -5.0
prior_mean = -40.0
prior_spread = 20.0
start = -60.0
[[controls]]
group = "namzdf"
entry = "rn_avt0"
lower = 1e-6
upper = 1e-3
prior_mean = 1.2e-5
prior_spread = 1e-5
transform = "log"
start = 5e-5
[[observations]]
kind = "twin"
field = "thetao"
sigma = 0.01
[truth]
"namzdf_tke/rn_ediff" = 0.1
"namsbc_ssr/rn_dqdt" = -40.0
"namzdf/rn_avt0" = 1.2e-5
[estimator]
kind = "finite-difference"
step = 0.1
[minimiser]
kind = "gauss-newton"
cost_tolerance = 0.0
step_tolerance = 0.0
"""
NAMELIST = "&namcfg\n cn_cfg = 'gyre'\n/\n&namdom\n rn_Dt = 3600.\n/\n"


@dataclass
class Figures:
    """What the soak has seen."""

    kills: Counter = field(default_factory=Counter)  # of (way, victim, signal)
    jobs: int = 0
    endings: Counter = field(default_factory=Counter)  # exit codes
    experiments: int = 0
    findings: list[str] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)  # hangs, orphans, lost, repeated, wrong
    seconds_to_end: list[float] = field(default_factory=list)  # from a kill to the end of the job

    def found(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        self.findings.append(f"{kind}: {text}")
        print(f"FOUND {kind}: {text}", flush=True)

    def report(self) -> dict:
        by = {n: Counter() for n in ("transport", "victim", "signal")}  # type: ignore[var-annotated]
        for (way, victim, name), count in self.kills.items():
            by["transport"][way] += count
            by["victim"][victim] += count
            by["signal"][name] += count
        ends = sorted(self.seconds_to_end)
        return {
            "kills": sum(self.kills.values()),
            **{f"kills by {name}": dict(counter) for name, counter in by.items()},
            "experiments": self.experiments,
            "jobs": self.jobs,
            "exit codes": dict(self.endings),
            **{
                n: self.counts[n]
                for n in ("hung", "orphans", "lost", "repeated", "wrong result", "wrong code")
            },
            "seconds from a kill to the end of a job that failed": {
                "median": ends[len(ends) // 2] if ends else None,
                "longest": ends[-1] if ends else None,
            },
            "findings": self.findings,
        }


@dataclass
class Tuning:
    """One experiment in a folder of its own, tuned in one way."""

    folder: Path
    way: str

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def witness(self) -> Path:
        return self.folder / "witness"

    def seconds_since_a_run(self) -> float:
        """Since the last run that any job of this experiment has made; infinite if there was none."""
        return time.time() - self.witness.stat().st_mtime if self.witness.exists() else math.inf

    def prepare(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "exp.toml").write_text(EXPERIMENT)
        (self.folder / "namelist_cfg").write_text(NAMELIST)

    def start(self) -> subprocess.Popen:
        resume = ["--resume"] if self.run.is_dir() else []
        command = [sys.executable, "-m", "optim.cli", "tune", str(self.folder / "exp.toml")]
        path = [str(REPOSITORY / "scripts" / "soak_witness"), str(REPOSITORY)]
        environment = os.environ | {
            MARK: str(self.folder),
            "SOAK_LOG": str(self.witness),
            "NEMO_BRIDGE_PATIENCE": str(PATIENCE),
            "PYTHONPATH": os.pathsep.join(path),
        }
        with open(self.folder / "output", "ab") as output:
            return subprocess.Popen(
                [*command, "--directory", str(self.run), *WAYS[self.way], *resume],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def processes(self) -> list[int]:
        """Everything that any job of this experiment has started and that lives."""
        mark = f"{MARK}={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                marked = entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0")
                if marked and (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def result(self) -> dict:
        report = json.loads((self.run / "report" / "report.json").read_text())
        tuned = {name: item["tuned"] for name, item in report["parameters"].items()}
        return {"parameters": tuned, "cost": report["cost"], "model runs": report["model_runs"]}

    def ledger(self) -> list[str]:
        database = sqlite3.connect(f"file:{self.run}/ledger/ledger.sqlite?mode=ro", uri=True)
        return [row[0] for row in database.execute("select key from runs order by number")]


def victim_kind(process: int, top: int) -> str:
    """Which part of a job a process is."""
    try:
        line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    if process == top:
        return "nemo-bridge"
    program = os.path.basename(line.split(" ")[0])
    if program in ("mpirun", "mpiexec", "orterun", "toy_ocean"):
        return "model" if program == "toy_ocean" else "launcher"
    return next(
        (kind for word, kind in (("bridge/guard.py", "guard"), ("optim.cli", "server")) if word in line), ""
    )


def strike(tuning: Tuning, job: subprocess.Popen, dice: random.Random, figures: Figures) -> bool:
    """Send a random signal to a random process of the job; False if there was none."""
    kinds: dict[str, list[int]] = {}
    for process in sorted(tuning.processes()):
        if kind := victim_kind(process, job.pid):
            kinds.setdefault(kind, []).append(process)
    if not kinds:
        return False
    kind = dice.choice(sorted(kinds))
    process, number = dice.choice(kinds[kind]), dice.choice(SIGNALS)
    try:
        os.kill(process, number)
        if kind in ("nemo-bridge", "guard") and number == signal.SIGSTOP:
            time.sleep(SUSPENSION)
            os.kill(process, signal.SIGCONT)
    except ProcessLookupError:
        return False
    name = signal.Signals(number).name
    figures.kills[tuning.way, kind, name] += 1
    with open(tuning.folder / "output", "a") as output:
        output.write(f"=== soak: {name} to {kind} {process}\n")
    return True


def follow(
    tuning: Tuning, job: subprocess.Popen, dice: random.Random, kills: int, pace: float, figures: Figures
) -> int:
    """Let a job run, and strike at most `kills` times; how often that was."""
    struck, quiet_since = 0, time.monotonic()
    next_strike = quiet_since + dice.uniform(0.0, pace) * dice.random()
    while job.poll() is None:
        now = time.monotonic()
        if struck < kills and now > next_strike:
            struck += strike(tuning, job, dice, figures)
            quiet_since = time.monotonic()
            next_strike = quiet_since + dice.uniform(0.0, pace) * dice.random()
        if min(now - quiet_since, tuning.seconds_since_a_run()) > LIMIT:
            figures.found("hung", f"{tuning.folder} ({tuning.way}), see output")
            os.kill(job.pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    code = job.wait()
    figures.jobs += 1
    figures.endings[str(code)] += 1
    if struck and code != 0:
        figures.seconds_to_end.append(round(time.monotonic() - quiet_since, 1))
    if not struck and code != 0:
        figures.found("wrong code", f"{tuning.folder} ({tuning.way}): {code} without a kill")
    check_orphans(tuning, figures)
    return struck


def check_orphans(tuning: Tuning, figures: Figures) -> None:
    deadline = time.monotonic() + 20.0
    while (left := tuning.processes()) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        lines = [Path(f"/proc/{p}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:80] for p in left]
        figures.found("orphans", f"{tuning.folder} ({tuning.way}): {lines}")
        for process in left:
            os.kill(process, signal.SIGKILL)


def check_end(tuning: Tuning, reference: Tuning, figures: Figures) -> None:
    """The result is that of the undisturbed experiment, and each finished run was made once."""
    if tuning.result() != reference.result():
        figures.found("wrong result", f"{tuning.folder} ({tuning.way})")
    keys = tuning.ledger()
    if set(keys) != set(reference.ledger()):
        figures.found("wrong result", f"{tuning.folder} ({tuning.way}): other runs in the ledger")
    stored: set[str] = set()
    for line in tuning.witness.read_text().splitlines():
        what, key = line.split()
        if what == "made" and key in stored:
            figures.found("repeated", f"{tuning.folder} ({tuning.way}): run {key}")
        if what == "stored":
            stored.add(key)
    for key in stored - set(keys):
        figures.found("lost", f"{tuning.folder} ({tuning.way}): run {key}")


def tune_under_fire(
    tuning: Tuning, reference: Tuning, dice: random.Random, pace: float, figures: Figures
) -> None:
    """One experiment, resumed until it is done."""
    tuning.prepare()
    left = MOST_KILLS
    while True:
        job = tuning.start()
        left -= follow(tuning, job, dice, left, pace, figures)
        if job.returncode == 0:
            break
        if left == 0 and job.returncode != 0:
            left = -1  # the last one must end well
        elif left < 0:
            figures.found("wrong result", f"{tuning.folder} ({tuning.way}) does not end: {job.returncode}")
            return
    figures.experiments += 1
    check_end(tuning, reference, figures)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    chosen = parser.parse_args()
    directory: Path = chosen.directory.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    figures, dice = Figures(), random.Random(chosen.seed)
    reference = Tuning(directory / "reference", chosen.ways[0])
    reference.prepare()
    began = time.monotonic()
    if follow(reference, reference.start(), dice, 0, 1.0, figures) or figures.findings:
        sys.exit("the undisturbed experiment failed: see its output")
    pace = time.monotonic() - began
    print(f"undisturbed: {pace:.1f} s, {len(reference.ledger())} runs", flush=True)
    number = 0
    while sum(figures.kills.values()) < chosen.kills:
        way = chosen.ways[number % len(chosen.ways)]
        tune_under_fire(Tuning(directory / f"{number:03d}", way), reference, dice, pace, figures)
        number += 1
        (directory / "figures.json").write_text(json.dumps(figures.report(), indent=1))
        print(f"{time.monotonic() - began:6.0f} s  {sum(figures.kills.values())} kills", flush=True)
    print(json.dumps(figures.report(), indent=1))
    sys.exit(bool(figures.findings))


if __name__ == "__main__":
    main()
