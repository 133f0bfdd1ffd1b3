"""compose.yaml against the repository: two services that find each other, and commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
import typer.main
import yaml

from optim.cli import app

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = PurePosixPath("/nemo-bridge")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "docker" / "compose.yaml").read_text())


def server_script(compose: dict[str, Any]) -> str:
    """What the server's shell runs; compose turns $$ into $."""
    shell, option, script = compose["services"]["server"]["command"]
    assert (shell, option) == ("sh", "-ec")
    return script.replace("$$", "$")


def nemo_bridge_calls(script: str) -> list[list[str]]:
    """Arguments of each call of nemo-bridge, those collected by `set --` filled in."""
    collected: list[str] = []
    calls = []
    for line in script.splitlines():
        words = shlex.split(line)
        if "--" in words and words[words.index("--") - 1] == "set":
            start = words.index("--") + 1
            collected = [word for new in words[start:] for word in (collected if new == "$@" else [new])]
        if "nemo-bridge" in words:
            rest = words[words.index("nemo-bridge") + 1 :]
            calls.append([word for new in rest for word in (collected if new == "$@" else [new])])
    return calls


def test_the_image_is_built_from_our_dockerfile(compose: dict[str, Any]) -> None:
    build = compose["services"]["server"]["build"]
    context = (REPOSITORY / "docker" / build["context"]).resolve()
    assert context == REPOSITORY
    assert (context / build["dockerfile"]).is_file()
    assert {service["image"] for service in compose["services"].values()} == {"nemo-bridge"}


def test_the_commands_and_their_options_exist(compose: dict[str, Any]) -> None:
    calls = nemo_bridge_calls(server_script(compose))
    assert [call[0] for call in calls] == ["keys", "tune"]
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    for name, *arguments in calls:
        context = group.commands[name].make_context(name, list(arguments))  # raises for an unknown option
        experiment = context.params.get("experiment")
        assert experiment is None or (REPOSITORY / experiment).is_file()


def test_the_model_runs_where_the_server_prepares_it(compose: dict[str, Any]) -> None:
    (tune,) = (call for call in nemo_bridge_calls(server_script(compose)) if call[0] == "tune")
    folder = HOME / tune[tune.index("--directory") + 1] / "model"
    model, server = compose["services"]["model"], compose["services"]["server"]
    assert PurePosixPath(model["working_dir"]) == folder
    assert HOME / server["healthcheck"]["test"][-1] == folder / "namelist_cfg"
    assert model["depends_on"]["server"]["condition"] == "service_healthy"


def test_both_meet_at_one_port(compose: dict[str, Any]) -> None:
    (tune,) = (call for call in nemo_bridge_calls(server_script(compose)) if call[0] == "tune")
    listening = tune[tune.index("--endpoint") + 1]
    calling = compose["services"]["model"]["environment"]["NEMO_BRIDGE_ENDPOINT"]
    host = re.fullmatch(r"tcp://(\w+):(\d+)", calling)
    assert host and host[1] in compose["services"]
    assert listening == f"tcp://*:{host[2]}"


def test_the_model_has_its_own_keys_only(compose: dict[str, Any]) -> None:
    volumes = {
        name: dict(entry.split(":")[:2] for entry in service["volumes"])
        for name, service in compose["services"].items()
    }
    assert set().union(*volumes.values()) == set(compose["volumes"])
    assert "keys" not in volumes["model"]
    assert (
        volumes["model"]["model_keys"]
        == compose["services"]["model"]["environment"]["NEMO_BRIDGE_KEYS"]
        == volumes["server"]["model_keys"]
    )
    copied = re.search(r"^cp (.*) model_keys/$", server_script(compose), re.MULTILINE)
    assert copied and "server.secret" not in copied[1]


def test_the_settings_of_the_model_are_known_to_somebody(compose: dict[str, Any]) -> None:
    sources = [*(REPOSITORY / "bridge").rglob("*.py"), *(REPOSITORY / "fortran_stubs/src").glob("*.f90")]
    known = "".join(path.read_text() for path in sources)
    unknown = [name for name in compose["services"]["model"]["environment"] if name not in known]
    assert not unknown
