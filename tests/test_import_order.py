"""The house: optim may import emulator and bridge, emulator may import bridge, bridge imports neither."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "bridge": {"emulator", "optim", "jax", "torch", "equinox", "optax", "lineax"},
    "emulator": {"optim", "mpi4py"},
    "optim": {"mpi4py"},
}
#: each third-party way of talking has its one file
ONE_FILE = {"mpi4py": "bridge/transport/mpi_transport.py", "zmq": "bridge/transport/zmq_transport.py"}
#: benchmarks time bare MPI against ours, so they call it themselves
BENCHMARKS = "optim/bench/"


def imports(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def sources(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_what_lies_below_them(package: str) -> None:
    assert sources(package), f"no sources found in {package}"
    wrong = {
        str(path.relative_to(REPOSITORY)): found
        for path in sources(package)
        if (found := imports(path) & FORBIDDEN[package]) and BENCHMARKS not in str(path)
    }
    assert not wrong


@pytest.mark.parametrize("module", ONE_FILE)
def test_each_transport_library_is_imported_in_its_one_file(module: str) -> None:
    users = {str(path.relative_to(REPOSITORY)) for path in sources("bridge") if module in imports(path)}
    assert users <= {ONE_FILE[module]}


@pytest.mark.parametrize("package", ["bridge", "emulator", "optim"])
def test_importing_a_package_starts_nothing(package: str) -> None:
    code = (
        f"import sys, {package}\n"
        "bad = {'mpi4py', 'zmq', 'torch'} & set(sys.modules)\n"
        "jax = sys.modules.get('jax')\n"
        "assert not bad, bad\n"
        "assert jax is None or not jax.config.jax_enable_x64, 'a library must not set x64 on import'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_bridge_needs_neither_jax_nor_mpi() -> None:
    code = "import sys, bridge, bridge.ledger, bridge.launch\nassert not {'jax', 'mpi4py'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
