"""The Dockerfile against the repository: what it copies, builds and calls is there. (Building it takes a network.)"""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
KNOWN = {"FROM", "ARG", "RUN", "COPY", "WORKDIR", "USER", "ENV", "CMD"}


def instructions() -> list[tuple[str, list[str]]]:
    """(instruction, its words) in the order of the file; shell syntax in RUN stays as it is."""
    lines = (REPOSITORY / "docker" / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    logical = re.sub(r"\\\n", " ", text).splitlines()
    found = [line.split(maxsplit=1) for line in logical if line.strip()]
    return [(name, shlex.split(rest)) for name, rest in found]


def stages() -> list[str]:
    return [words[words.index("AS") + 1] for name, words in instructions() if name == "FROM"]


def test_only_instructions_that_every_builder_knows() -> None:
    assert {name for name, _ in instructions()} <= KNOWN


def test_the_small_image_is_what_is_built_by_default() -> None:
    assert stages() == ["system", "build", "dev", "runtime"]
    bases = [words[0] for name, words in instructions() if name == "FROM"]
    assert bases[-1] == "system", "the small image must not grow from the one with compilers"


def test_stages_that_are_copied_from_come_before() -> None:
    seen: list[str] = []
    for name, words in instructions():
        if name == "FROM":
            assert "/" in words[0] or ":" in words[0] or words[0] in seen, f"no stage {words[0]}"
            seen.append(words[words.index("AS") + 1])
        if name == "COPY":
            sources = [word.partition("=")[2] for word in words if word.startswith("--from=")]
            assert set(sources) <= set(seen[:-1])


def copied_from_the_context() -> list[str]:
    copies = [words for name, words in instructions() if name == "COPY"]
    own = [words for words in copies if not any(word.startswith("--from=") for word in words)]
    return [word for words in own for word in words[:-1] if not word.startswith("--")]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    ignored = [line for line in lines if line and not line.startswith("#")]
    assert copied_from_the_context()
    for source in copied_from_the_context():
        assert (REPOSITORY / source).exists(), f"COPY {source}: there is no such file"
        hidden = [pattern for pattern in ignored if fnmatch.fnmatch(source, pattern.removeprefix("**/"))]
        assert not hidden, f"COPY {source}: .dockerignore leaves it out ({hidden[0]})"


def make_targets() -> list[str]:
    shell = [" ".join(words) for name, words in instructions() if name in {"RUN", "CMD"}]
    found = [re.sub(r"[\[\],]", " ", line) for line in shell]
    return [
        target for line in found for target in re.findall(r"(?:^|&&)\s*make\s+(?:--[a-z]+ )*([a-z]+)", line)
    ]


def test_the_make_targets_exist() -> None:
    assert {"demo", "test", "install"} <= set(make_targets())
    for target in make_targets():
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


def test_the_last_user_of_each_image_is_not_root() -> None:
    """Each image's user is the last that its stage, or one that it grows from, names."""
    user, base = {}, {}
    for name, words in instructions():
        if name == "FROM":
            stage = words[words.index("AS") + 1]
            base[stage], user[stage] = words[0], user.get(words[0], "root")
        if name == "USER":
            user[stage] = words[0]
    assert user["runtime"] == user["dev"] == "ocean"


@pytest.mark.parametrize("program", ["nemo-bridge", "toy_ocean"])
def test_the_programs_of_the_image_are_those_that_are_installed(program: str) -> None:
    installed = (REPOSITORY / "pyproject.toml").read_text()
    for file in (REPOSITORY / "fortran_stubs").rglob("CMakeLists.txt"):
        installed += file.read_text()
    assert re.search(rf"^{program} = |install\(TARGETS {program}\b", installed, re.MULTILINE)
