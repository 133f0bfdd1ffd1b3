"""The command line: exit codes that mean something, also as the server rank of an MPI job."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.errors import BridgeError, ConfigurationError, LedgerBusy, ModelCrashed
from optim.cli.exit_codes import exit_code

EXPERIMENT = """
title = "a test"
budget = {{ model_runs = 2 }}
[model]
namelist = "{namelist}"
[window]
days = 1.0
every = 12
[[controls]]
group = "namzdf_tke"
entry = "rn_ediff"
lower = 0.02
upper = 0.5
prior_mean = 0.1
prior_spread = 0.05
[[observations]]
kind = "twin"
field = "thetao"
sigma = 0.1
[truth]
"namzdf_tke/rn_ediff" = 0.12
"""


def nemo_bridge(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "optim.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (ModelCrashed("x"), 4),
        (BridgeError("x"), 4),
        (LedgerBusy("x"), 5),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_parameters_lists_at_least_twelve() -> None:
    done = nemo_bridge("parameters", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0 and len(rows) >= 12
    assert all(row["lower"] < row["value"] < row["upper"] and row["units"] for row in rows)
    assert "rn_ediff" in nemo_bridge("parameters").stdout


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    done = nemo_bridge("tune", str(tmp_path / "nowhere.toml"))
    assert done.returncode == 2
    assert "nowhere.toml" in done.stderr and "Traceback" not in done.stderr


def test_nonsense_in_the_environment_is_found_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    (tmp_path / "exp.toml").write_text(EXPERIMENT.format(namelist="namelist_cfg"))
    arguments = ("tune", str(tmp_path / "exp.toml"), "--directory", str(tmp_path / "run"))
    done = nemo_bridge(*arguments, env=dict(os.environ, NEMO_BRIDGE_PATIENCE="abc"))
    assert done.returncode == 2
    assert "NEMO_BRIDGE_PATIENCE should be a number of seconds from 1 to 10000, got 'abc'" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


def test_a_misspelt_namelist_entry_is_found_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "namelist_cfg").write_text("&namzdf_tke\n rn_edif = 0.1\n/\n")
    (tmp_path / "exp.toml").write_text(EXPERIMENT.format(namelist="namelist_cfg"))
    done = nemo_bridge("tune", str(tmp_path / "exp.toml"), "--directory", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "line 2" in done.stderr and "did you mean 'rn_ediff'" in done.stderr


def test_a_misspelt_experiment_entry_is_found_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "exp.toml").write_text(EXPERIMENT.format(namelist="x").replace("every =", "evry ="))
    done = nemo_bridge("tune", str(tmp_path / "exp.toml"), "--directory", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "evry" in done.stderr and "every" in done.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("rn_ediff", "rn_edif", "did you mean 'rn_ediff'"),
        ('field = "thetao"', 'field = "theta"', "did you mean thetao"),
        ('kind = "twin"', 'kind = "climatology"\nfile = "woa.nc"\nvariable = "t"', "file woa.nc not found"),
    ],
)
def test_a_wrong_name_is_found_before_anything_starts(
    tmp_path: Path, right: str, wrong: str, words: str
) -> None:
    (tmp_path / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    text = EXPERIMENT.format(namelist="namelist_cfg").replace("days = 1.0", "months = [1]")
    (tmp_path / "exp.toml").write_text(text.replace(right, wrong))
    done = nemo_bridge("tune", str(tmp_path / "exp.toml"), "--directory", str(tmp_path / "run"))
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_wrong_restart_file_is_found_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "restart.nc").write_bytes(b"CDF truncated")
    (tmp_path / "namelist_cfg").write_text("&namrun\n ln_rstart = .true.\n cn_ocerst_in = 'restart.nc'\n/\n")
    (tmp_path / "exp.toml").write_text(EXPERIMENT.format(namelist="namelist_cfg"))
    done = nemo_bridge("tune", str(tmp_path / "exp.toml"), "--directory", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "cn_ocerst_in" in done.stderr and "no restart file" in done.stderr


def test_a_run_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    from bridge.ledger_lock import OwnerLock

    (tmp_path / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    (tmp_path / "run").mkdir()
    lock = OwnerLock(tmp_path / "run" / "owner.lock")
    lock.acquire()
    try:
        done = nemo_bridge(
            "run", str(tmp_path / "namelist_cfg"), "--directory", str(tmp_path / "run"), "--steps", "1"
        )
    finally:
        lock.release()
    assert done.returncode == 5 and "in use by process" in done.stderr


def test_other_commands_leave_the_directory_of_a_tuning_alone(tmp_path: Path) -> None:
    (tmp_path / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    run = tmp_path / "run"
    run.mkdir()
    (run / "experiment.toml").write_text("")
    done = nemo_bridge("run", str(tmp_path / "namelist_cfg"), "--directory", str(run), "--steps", "1")
    assert done.returncode == 2 and "holds a tuning" in done.stderr
    assert [path.name for path in run.iterdir()] == ["experiment.toml"]


def test_prepare_only_prints_the_job(tmp_path: Path, executable) -> None:
    program = executable("toy_ocean")
    (tmp_path / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    (tmp_path / "exp.toml").write_text(EXPERIMENT.format(namelist="namelist_cfg"))
    environment = dict(os.environ, NEMO_BRIDGE_BUILD=str(program.parent))
    run = tmp_path / "run"
    arguments = (
        "tune",
        str(tmp_path / "exp.toml"),
        "--directory",
        str(run),
        "--ranks",
        "3",
        "--prepare-only",
    )
    done = nemo_bridge(*arguments, env=environment)
    assert done.returncode == 0, done.stderr
    assert "-n 3" in done.stdout and str(program) in done.stdout
    assert done.stdout.startswith("env ") and "NEMO_BRIDGE_SERVER=required" in done.stdout
    assert (run / "model" / "namelist_cfg").is_file() and (run / "experiment.toml").is_file()


@pytest.mark.parametrize("arguments", [["tune", "nowhere.toml"], ["no-such-command"]])
def test_a_wrong_server_ends_the_users_own_job(
    arguments: list[str], mpirun: list[str], mpi_environment: dict[str, str], tmp_path: Path
) -> None:
    model = [sys.executable, "-c", "import time; time.sleep(60)"]
    server = [sys.executable, "-m", "optim.cli", *arguments]
    started = time.monotonic()
    done = subprocess.run(
        [*mpirun, "-n", "1", *server, ":", "-n", "2", *model],
        env=mpi_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 2
    assert time.monotonic() - started < 40, "the model's ranks slept on"
