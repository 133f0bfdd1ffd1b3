"""The table of commands."""

from __future__ import annotations

import typer

from optim.cli import bench, check_gradient, keys, launch, nemo, parameters, report, run, tune, veros

_HELP = """Tune the parameters of a Fortran ocean model: real forward runs over MPI, approximate gradients.

Exit codes: 0 done; 1 unforeseen error; 2 wrong use or a wrong file; 4 the model failed; 5 the run directory is
in use by another process; 128 + n ended by signal n."""

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("tune")(tune.tune)
app.command("run")(run.run)
app.command("launch")(launch.launch)
app.command("check-gradient")(check_gradient.check_gradient)
app.command("parameters")(parameters.parameters)
app.command("report")(report.report)
app.command("keys")(keys.keys)
app.add_typer(bench.app, name="bench")
app.add_typer(nemo.app, name="nemo")
app.add_typer(veros.app, name="veros")


@app.callback()
def _commands() -> None:
    """Named commands only."""
