"""`nemo-bridge veros`: experiments with VEROS as a differentiable model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Experiments with VEROS as a differentiable model.", no_args_is_help=True)

_Json = Annotated[Path | None, typer.Option("--json", help="file for the result")]
_Setup = Annotated[str, typer.Option(help="name of the set-up")]
_SpinUp = Annotated[int, typer.Option(min=0, help="steps before the experiment")]
_Work = Annotated[Path, typer.Option(help="directory for the spun-up state")]


@app.callback()
def _experiments() -> None:
    """Named experiments only."""


@app.command()
def calibrate(
    start: Annotated[list[str], typer.Argument(help="NAME=FACTOR: parameters, and how far off they start")],
    true: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: the truth, if not the set-up's own")
    ] = None,
    observed_field: Annotated[str, typer.Option("--observed", help="psi, temp or mld")] = "psi",
    steps: Annotated[int, typer.Option(min=1, help="length of the window")] = 20,
    every: Annotated[int, typer.Option(min=1, help="steps between observations")] = 5,
    evaluations: Annotated[
        int, typer.Option(help="values and gradients; a line search begun is finished")
    ] = 25,
    forward: Annotated[
        bool, typer.Option("--forward", help="least squares with Jacobians instead of L-BFGS with gradients")
    ] = False,
    setup: _Setup = "acc",
    without: Annotated[list[str] | None, typer.Option(help="switch to turn off, as enable_eke")] = None,
    spin_up: _SpinUp = 200,
    work: _Work = Path("runs/veros"),
    json_file: _Json = None,
) -> None:
    """Recover parameters from the model's own output, with the exact gradient.

    nemo-bridge veros calibrate A_h=1.72 r_bot=0.1
    """
    import jax

    from emulator.veros.gradient import GradientSweep
    from emulator.veros.tangent import TangentSweep
    from emulator.veros_model import veros_model
    from optim.bench.veros import twin
    from optim.bench.veros.cells import Cells
    from optim.bench.veros.reference import spun_up

    factors, values = _numbers(start), _numbers(true or [])
    if steps % every:
        raise typer.BadParameter(f"expected a window of whole {every} steps, got {steps}")
    if any(factor <= 0 for factor in factors.values()) or set(factors.values()) == {1.0}:
        raise typer.BadParameter("expected factors above 0, at least one of them other than 1")
    switches = dict.fromkeys(without or [], False)
    try:
        model = veros_model(setup, tuple(factors), switches)
        own = model.params(**values)
        observe = twin.observation(model, observed_field)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    state = spun_up(
        model, spin_up, Cells(work, {"setup": setup, "switches": switches, "parameters": sorted(factors)})
    )
    truth = {name: float(own[name]) for name in factors}
    experiment = twin.Twin(truth, factors, steps // every, every, evaluations)
    data = twin.observed(model.compiled_step, jax.jit(observe), state, own, experiment)
    if forward:
        tangent = TangentSweep(model, lambda state: observe(state).ravel(), tuple(factors))
        vectors = [datum.ravel() for datum in data]
        found = twin.recover_by_least_squares(tangent, vectors, state, own, experiment)
    else:
        sweep = GradientSweep(model, twin.misfit(observe))
        found = twin.recover(sweep, data, state, own, experiment)
    _report(found, json_file)


@app.command()
def initial_state(
    kind: Annotated[str, typer.Option(help="factor, noise or blob")] = "noise",
    steps: Annotated[int, typer.Option(min=1, help="steps until temperature is compared")] = 4,
    evaluations: Annotated[
        int, typer.Option(help="values and gradients; a line search begun is finished")
    ] = 60,
    setup: _Setup = "acc",
    spin_up: _SpinUp = 200,
    work: _Work = Path("runs/veros"),
    json_file: _Json = None,
) -> None:
    """Recover the initial temperature from the temperature some steps later."""
    from emulator.veros_model import veros_model
    from optim.bench.veros.cells import Cells
    from optim.bench.veros.initial_state import correct
    from optim.bench.veros.reference import spun_up

    model = veros_model(setup)
    state = spun_up(model, spin_up, Cells(work, {"setup": setup}))
    _report(correct(model, state, kind, steps, evaluations), json_file)


def _numbers(texts: list[str]) -> dict[str, float]:
    """{"r_bot": 0.1} of "r_bot=0.1"."""
    pairs = [text.split("=") for text in texts]
    wrong = [text for text, pair in zip(texts, pairs, strict=True) if len(pair) != 2]
    if wrong:
        raise typer.BadParameter(f"expected NAME=NUMBER, got {wrong[0]!r}")
    try:
        return {name: float(value) for name, value in pairs}
    except ValueError as error:
        raise typer.BadParameter(f"expected NAME=NUMBER: {error}") from error


def _report(result: dict[str, Any], json_file: Path | None) -> None:
    """To standard output, and to a file if one is given."""
    text = json.dumps(result, indent=1)
    typer.echo(text)
    if json_file is not None:
        json_file.write_text(text + "\n")
