"""The ledger: identity of runs, durability, ownership, pruning, a full disk."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridge.errors import BridgeError, ConfigurationError, LedgerBusy
from bridge.ledger import Ledger
from bridge.ledger_key import run_key
from bridge.model import Outcome, OutcomeKind, Recording, Snapshot, Trajectory

RECORDING = Recording(("thetao", "zos"), 2)


def trajectory(seed: int = 0, kind: OutcomeKind = OutcomeKind.COMPLETED) -> Trajectory:
    random = np.random.default_rng(seed)
    return Trajectory(
        steps=np.array([2, 4]),
        time_step=7200.0,
        fields={"thetao": random.normal(size=(2, 3, 4, 4)), "zos": random.normal(size=(2, 4, 4))},
        params={"namzdf_tke": {"rn_ediff": 0.1 + 0.2}, "namzdf": {"avtb_2d": random.normal(size=(4, 4))}},
        outcome=Outcome(kind, 4, "so they say"),
        initial=Snapshot("abc", 3, 0, Path("/somewhere")),
    )


def key(**changes: object) -> str:
    arguments: dict = {
        "executable": "a model",
        "namelist": {"a": {"x": 1}},
        "snapshot": Snapshot("abc", 1, 0),
        "params": {"a": {"x": 1.0}},
        "steps": 4,
        "recording": RECORDING,
        "forcing": None,
    }
    return run_key(**(arguments | changes))


def test_a_stored_run_comes_back_bit_for_bit(tmp_path: Path) -> None:
    stored = trajectory()
    with Ledger(tmp_path) as ledger:
        ledger.store("k", stored, {"purpose": "value"})
    with Ledger(tmp_path) as ledger:
        found = ledger.lookup("k")
        assert found is not None
        for name, values in stored.fields.items():
            np.testing.assert_array_equal(found.fields[name], values)
        np.testing.assert_array_equal(found.params["namzdf"]["avtb_2d"], stored.params["namzdf"]["avtb_2d"])
        assert found.params["namzdf_tke"] == stored.params["namzdf_tke"]
        assert (found.outcome, found.time_step, found.initial.id) == (stored.outcome, 7200.0, "abc")
        record = ledger.record("k")
        assert record is not None and record.meta == {"purpose": "value"} and record.number == 1


def test_an_unknown_run_is_none(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert ledger.lookup("k") is None and "k" not in ledger and len(ledger) == 0


def test_float32_comes_back_as_float32(tmp_path: Path) -> None:
    stored = trajectory()
    narrow = {name: values.astype(np.float32) for name, values in stored.fields.items()}
    with Ledger(tmp_path) as ledger:
        ledger.store("k", replace(stored, fields=narrow))
        found = ledger.lookup("k")
        assert found is not None and found.fields["zos"].dtype == np.float32
        np.testing.assert_array_equal(found.fields["zos"], narrow["zos"])


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_failed_runs_are_kept_too(tmp_path: Path, kind: OutcomeKind) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.store("k", trajectory(kind=kind))
        found = ledger.lookup("k")
        assert found is not None and found.outcome.kind is kind


def test_a_run_that_recorded_nothing_is_kept(tmp_path: Path) -> None:
    empty = Trajectory(
        np.array([], int), 1.0, {}, {}, Outcome(OutcomeKind.BLEW_UP, 1), Snapshot("a", None, 0)
    )
    with Ledger(tmp_path) as ledger:
        ledger.store("k", empty)
        found = ledger.lookup("k")
        assert found is not None and found.steps.size == 0


@pytest.mark.parametrize(
    "change",
    [
        {"executable": "another model"},
        {"namelist": {"a": {"x": 2}}},
        {"snapshot": Snapshot("abd", 1, 0)},
        {"params": {"a": {"x": np.nextafter(1.0, 2.0)}}},
        {"params": {"a": {"x": np.ones(3)}}},
        {"steps": 5},
        {"recording": Recording(("thetao",), 2)},
        {"recording": Recording(("thetao", "zos"), 1)},
        {"recording": Recording(("thetao", "zos"), 2, np.float32)},
        {"forcing": {"qns": np.zeros((2, 2))}},
    ],
)
def test_everything_that_matters_changes_the_key(change: dict) -> None:
    assert key(**change) != key()


def test_what_does_not_matter_leaves_the_key() -> None:
    assert key(params={"a": {"x": np.float32(1)}}) == key()
    assert key(snapshot=Snapshot("abc", 7, 0, Path("/elsewhere"))) == key()
    assert key(recording=Recording(("zos", "thetao"), 2)) == key()


def test_a_rebuilt_executable_or_a_new_input_file_changes_the_key(tmp_path: Path) -> None:
    program, data = tmp_path / "model", tmp_path / "input.nc"
    program.write_bytes(b"one")
    data.write_bytes(b"one")
    before = key(executable=program, forcing=[data])
    program.write_bytes(b"two!")
    rebuilt = key(executable=program, forcing=[data])
    data.write_bytes(b"two!")
    assert len({before, rebuilt, key(executable=program, forcing=[data])}) == 3


def test_a_damaged_file_is_not_returned(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.store("k", trajectory())
        file = tmp_path / "runs" / "k.nc"
        file.write_bytes(file.read_bytes()[:-1])
        assert ledger.lookup("k") is None


def test_artifacts_and_notes_survive(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.store_artifact("k", "jacobian", np.arange(6.0).reshape(2, 3))
        ledger.set_note("minimiser", {"x": np.array([1.0, 2.0]), "iteration": np.int64(3)})
    with Ledger(tmp_path, read_only=True) as ledger:
        np.testing.assert_array_equal(ledger.artifact("k", "jacobian"), np.arange(6.0).reshape(2, 3))
        assert ledger.artifact("k", "residual") is None
        assert ledger.note("minimiser") == {"x": [1.0, 2.0], "iteration": 3}
        with pytest.raises(ConfigurationError, match="read-only"):
            ledger.set_note("a", 1)


def test_pruning_keeps_the_row_and_needs_an_artifact(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.store("k", trajectory())
        with pytest.raises(ConfigurationError, match="no artifact"):
            ledger.prune("k")
        ledger.store_artifact("k", "residual", np.ones(3))
        ledger.prune("k")
        record = ledger.record("k")
        assert record is not None and record.pruned
        assert ledger.lookup("k") is None
        assert not (tmp_path / "runs" / "k.nc").exists()
        assert ledger.artifact("k", "residual") is not None


def test_a_second_live_owner_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path), pytest.raises(LedgerBusy, match=f"process {os.getpid()}"):
        Ledger(tmp_path)
    Ledger(tmp_path).close()


OWNER = """
import sys, time
from bridge.ledger import Ledger
ledger = Ledger(sys.argv[1])
print("owned", flush=True)
time.sleep(60)
"""


def test_a_killed_owner_is_taken_over(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None and owner.stdout.readline() == "owned\n"
        with pytest.raises(LedgerBusy, match=f"process {owner.pid}"):
            Ledger(tmp_path)
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    Ledger(tmp_path).close()


def test_an_owner_on_another_host_is_not_guessed_dead(tmp_path: Path) -> None:
    (tmp_path / "owner.lock").write_text('{"pid": 1, "host": "elsewhere", "started": "1"}')
    with pytest.raises(LedgerBusy, match=r"elsewhere.*remove .*owner\.lock"):
        Ledger(tmp_path)


WRITER = """
import sys
import numpy as np
from bridge.ledger import Ledger
from bridge.model import *
ledger = Ledger(sys.argv[1])
number = 0
while True:
    values = np.full((1, 50, 50, 50), float(number))
    ledger.store(f"k{number}", Trajectory(np.array([1]), 1.0, {"thetao": values}, {}, Outcome(OutcomeKind.COMPLETED, 1),
                 Snapshot("a", None, 0)))
    number += 1
    print(number, flush=True)
"""


def test_kill_while_writing_loses_no_finished_run(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    reported = 0
    while reported < 3:
        reported = int(writer.stdout.readline())
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    rest = writer.communicate()[0].split()
    reported = int(rest[-1]) if rest else reported
    with Ledger(tmp_path) as ledger:
        assert len(ledger) >= reported
        for record in ledger.records():
            found = ledger.lookup(record.key)
            assert found is not None and np.all(found.fields["thetao"] == record.number - 1)
        assert not list(tmp_path.glob("runs/*.tmp"))


FULL = """
import resource, signal, sys
import numpy as np
from bridge.errors import BridgeError
from bridge.ledger import Ledger
from bridge.model import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def run(n):
    return Trajectory(np.array([1]), 1.0, {"thetao": np.ones((1, n))}, {}, Outcome(OutcomeKind.COMPLETED, 1),
                      Snapshot("a", None, 0))
ledger = Ledger(sys.argv[1])
ledger.store("small", run(10))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    ledger.store("large", run(100_000))
except BridgeError as error:
    print(error)
    assert ledger.lookup("small") is not None and "large" not in ledger
    sys.exit(7)
"""


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    # A file-size limit stands in for the full disk: the same write fails at the same place.
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 7, done.stderr
    assert "disk is full" in done.stdout and "--resume" in done.stdout
    with Ledger(tmp_path) as ledger:
        assert [record.key for record in ledger.records()] == ["small"]
        assert not list(tmp_path.glob("runs/*.tmp"))


def test_reading_a_folder_without_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ledger\.sqlite is missing"):
        Ledger(tmp_path, read_only=True)


def test_bridge_error_is_the_parent_of_ledger_busy() -> None:
    assert issubclass(LedgerBusy, BridgeError)
