"""A NEMO that the user has built, driven by the environment: NEMO_EXE and NEMO_RUN_DIR.

`make test-nemo NEMO_EXE=… NEMO_RUN_DIR=…`. Without the two, nothing here is selected. NEMO_EXE is compiled after
`nemo-bridge nemo install`; NEMO_RUN_DIR holds its namelists and input files and is only read. With NEMO_EXE_UNPATCHED,
the executable without the bridge, results are compared with it. NEMO_RANKS: numbers of ranks, "1 2 4" by default.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from bridge.models.nemo import run_directory

TIMEOUT = 600  # s for one job
SERVER = Path(__file__).with_name("server.py")
RANKS = [int(n) for n in os.environ.get("NEMO_RANKS", "1 2 4").split()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the environment gives no executable for."""
    missing = [item for item in items if (mark := item.get_closest_marker("nemo")) and not _given(mark)]
    if missing:
        config.hook.pytest_deselected(items=missing)
        items[:] = [item for item in items if item not in missing]


def _given(mark: pytest.Mark) -> bool:
    needed = ("NEMO_EXE", "NEMO_RUN_DIR", *mark.kwargs.get("needs", ()))
    return all(os.environ.get(name) for name in needed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`ranks`: each number of ranks of NEMO that is asked for."""
    if "ranks" in metafunc.fixturenames:
        metafunc.parametrize("ranks", RANKS, ids=lambda n: f"{n} ranks", scope="module")


@dataclass(frozen=True)
class Nemo:
    """Runs of one executable in copies of one run directory."""

    executable: Path
    source: Path
    mpirun: list[str]
    environment: dict[str, str]

    def entry(self, group: str, name: str) -> Any:
        """Value of a namelist entry in the user's run directory."""
        return run_directory.read_namelist(self.source).value(group, name)

    def run(
        self,
        folder: Path,
        ranks: int = 1,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        executable: Path | None = None,
        files: Iterable[Path] = (),
    ) -> Path:
        """NEMO alone, to its end; the folder with what it wrote. `files` are linked into it first."""
        self._prepare(folder, changes, files)
        command = [*self.mpirun, "-n", str(ranks), str(executable or self.executable)]
        self._ended(command, folder, {})
        tail = (folder / "ocean.output").read_text(errors="replace")[-2000:]
        assert "AAAAAAAA" in tail, f"NEMO did not come to its end in {folder}:\n{tail}"
        return folder

    def drive(
        self,
        folder: Path,
        task: str,
        settings: Mapping[str, Any] | None = None,
        ranks: int = 1,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        files: Iterable[Path] = (),
        transport: str = "mpi",
    ) -> dict[str, Any]:
        """NEMO with `server.py` beside it, doing `task`, in one MPI job or as two jobs; what the server found."""
        self._prepare(folder, changes, files)
        (folder / "settings.json").write_text(json.dumps(settings or {}))
        server = [sys.executable, str(SERVER), task, str(folder)]
        model = ["-n", str(ranks), "-wdir", str(folder), str(self.executable)]
        if transport == "zmq":
            self._meet(server, [*self.mpirun, *model], folder)
        else:
            command = [*self.mpirun, "-n", "1", *server, ":", *model]
            self._ended(command, folder, {"NEMO_BRIDGE_SERVER": "required"})
        found = json.loads((folder / "found.json").read_text())
        arrays = folder / "found.npz"
        return found | (dict(np.load(arrays)) if arrays.exists() else {})

    def _meet(self, server: list[str], model: list[str], folder: Path) -> None:
        """Both to their ends, as two jobs at an endpoint in the folder."""
        endpoint = f"ipc://{folder}/meet"
        log = folder / "server.log"
        with log.open("w") as output:
            serving = subprocess.Popen(
                [*server, endpoint], env=self.environment, stdout=output, stderr=output
            )
        try:
            self._ended(model, folder, {"NEMO_BRIDGE_ENDPOINT": endpoint})
            code = serving.wait(TIMEOUT)
        finally:
            serving.kill()
            serving.wait()
        assert code == 0, f"the server ended with {code} in {folder}:\n{log.read_text()[-4000:]}"

    def _prepare(
        self, folder: Path, changes: Mapping[str, Mapping[str, Any]] | None, files: Iterable[Path]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        run_directory.prepare(folder, self.source, changes)
        for file in files:
            (folder / file.name).symlink_to(file)

    def _ended(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        done = subprocess.run(
            command,
            env=self.environment | environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, (
            f"{' '.join(command)} in {folder}:\n{(done.stdout + done.stderr)[-4000:]}"
        )


@pytest.fixture(scope="session")
def nemo(mpirun: list[str], mpi_environment: dict[str, str]) -> Nemo:
    """The user's NEMO."""
    return Nemo(
        run_directory.executable(Path(os.environ["NEMO_EXE"])),
        Path(os.environ["NEMO_RUN_DIR"]).resolve(),
        mpirun,
        mpi_environment,
    )


@pytest.fixture(scope="session")
def restart() -> Callable[[Path], dict[str, np.ndarray]]:
    """`restart(folder)`: variables of the latest restart of one rank, or of rank 0, in a folder."""

    def read(folder: Path) -> dict[str, np.ndarray]:
        files = sorted(folder.glob("*_restart*.nc"))
        assert files, f"NEMO wrote no restart in {folder}"
        with netCDF4.Dataset(files[-1]) as dataset:
            dataset.set_auto_mask(False)
            return {name: variable[...] for name, variable in dataset.variables.items()}

    return read


@pytest.fixture(scope="session")
def climatology(nemo: Nemo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file `climatology.nc` with a temperature and a salinity that are new every day, for a year of 360 days."""
    nz, ny, nx = nemo.drive(tmp_path_factory.mktemp("shape"), "describe")["shape"]
    random = np.random.default_rng(1)
    file = tmp_path_factory.mktemp("climatology") / "climatology.nc"
    with netCDF4.Dataset(file, "w") as dataset:
        for name, size in {"time_counter": None, "y": ny, "x": nx}.items():
            dataset.createDimension(name, size)
        for name, mean in {"sst": 15.0, "sss": 35.0}.items():
            variable = dataset.createVariable(name, "f8", ("time_counter", "y", "x"))
            variable[...] = mean + random.normal(size=(360, ny, nx))
    return file


@pytest.fixture(scope="session")
def restoring() -> dict[str, dict[str, Any]]:
    """Namelist entries that pull the surface to `climatology.nc`, interpolated in time."""
    daily = [24.0, True, True, "yearly", "", "", ""]
    readers = {f"sn_{name}": ["climatology", daily[0], name, *daily[1:]] for name in ("sst", "sss")}
    return {
        "namsbc": {"ln_ssr": True},
        "namsbc_ssr": {
            "nn_sstr": 1,
            "nn_sssr": 1,
            "rn_dqdt": -40.0,
            "rn_deds": -166.67,
            "cn_dir": "./",
            **readers,
        },
    }
