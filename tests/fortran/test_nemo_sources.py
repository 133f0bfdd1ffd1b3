"""Our Fortran for NEMO compiles for each version and its keys, against short stand-ins for NEMO's modules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.models.nemo.install import sources
from bridge.models.nemo.version import Configuration

STUBS = Path(__file__).with_name("nemo_stubs")
#: NEMO promotes default reals; our sources must not depend on it. What we do not use of an interface is no mistake.
FLAGS = ["-cpp", "-std=f2008", "-Wall", "-Wextra", "-Wno-unused-dummy-argument", "-Wno-unused-parameter"]
KINDS = [
    ("5.0", {"key_linssh", "key_RK3"}),
    ("5.0", {"key_qco", "key_RK3"}),
    ("5.0", {"key_linssh"}),
    ("4.2", {"key_linssh"}),
    ("4.2", {"key_qco"}),
    ("4.2", set()),
    ("4.0", {"key_mpp_mpi"}),
]


@pytest.mark.parametrize(
    ("version", "keys"), KINDS, ids=lambda v: v if isinstance(v, str) else " ".join(sorted(v))
)
@pytest.mark.parametrize("real_8", [False, True], ids=["plain", "-fdefault-real-8"])
def test_sources_compile(tmp_path: Path, version: str, keys: set[str], real_8: bool) -> None:
    texts = sources(Configuration(tmp_path, tmp_path, version, frozenset(keys)))
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    for file in STUBS.iterdir():
        shutil.copy(file, tmp_path)
    flags = [*FLAGS, *(f"-D{key}" for key in sorted(keys)), *(["-fdefault-real-8"] if real_8 else [])]
    problems = _compile(tmp_path, ["nemo_stubs.F90"], [flag for flag in flags if not flag.startswith("-W")])
    assert not problems, problems
    problems = _compile(tmp_path, _in_order(texts), flags)
    assert not problems, problems


def test_lines_fit_into_free_form() -> None:
    configuration = Configuration(Path("."), Path("."), "5.0", frozenset({"key_RK3", "key_linssh"}))
    for name, text in sources(configuration).items():
        assert max(map(len, text.splitlines())) <= 132, name


def _compile(folder: Path, names: list[str], flags: list[str]) -> str:
    """What the compiler says."""
    compiler = shutil.which("mpif90") or shutil.which("mpifort")
    assert compiler, "no MPI compiler wrapper: apt-get install libopenmpi-dev"
    done = subprocess.run(
        [compiler, "-c", *flags, *names], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stderr


def _in_order(texts: dict[str, str]) -> list[str]:
    """Sources such that each comes after those whose modules it uses."""
    code = {name: text for name, text in texts.items() if name.endswith("90") and not name.endswith(".h90")}
    ordered: list[str] = []

    def add(name: str) -> None:
        if name in ordered:
            return
        for module in re.findall(r"^ *use (\w+)", code[name], flags=re.MULTILINE):
            for used in (f"{module}.f90", f"{module}.F90"):
                if used in code:
                    add(used)
        ordered.append(name)

    for name in code:
        add(name)
    return ordered
