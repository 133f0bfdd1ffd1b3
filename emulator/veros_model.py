"""Stock VEROS (PyPI) as a differentiable function and as a black box: the façade of `emulator.veros`.

    from emulator.veros_model import veros_black_box, veros_model
    model = veros_model("acc", parameters=("r_bot", "A_h"))
    state = model.step(model.initial_state(), model.params())

VEROS is an optional dependency (extra `veros`). It is imported by the first call of `veros_model`, which chooses its
settings for the whole process and sets JAX to float64 (`emulator/veros/runtime.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.veros.runtime import ready

if TYPE_CHECKING:
    from emulator.veros.black_box import VerosBlackBox
    from emulator.veros.model import VerosModel
    from emulator.veros.prognostic import State


def veros_model(
    setup: str | type,
    parameters: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
    data: Path | None = None,
    quick_compile: bool = False,
) -> VerosModel:
    """VEROS set up as `setup`: a name in `emulator.veros.setups`, or a VerosSetup class.

    `parameters`: float settings that are arguments of `model.step`; `overrides`: other settings, fixed here. `data`:
    the climatology of the set-up "world" (examples/global). `quick_compile`: half the time to compile, for short runs.
    """
    ready()
    from emulator.veros.model import VerosModel
    from emulator.veros.setups import SETUPS

    if isinstance(setup, str) and setup not in SETUPS:
        raise ValueError(f"expected one of {', '.join(SETUPS)} or a VerosSetup, got {setup!r}")
    chosen: Any = SETUPS[setup] if isinstance(setup, str) else setup
    if (setup == "world") != (data is not None):
        raise ValueError(
            f'expected `data`, a climatology, for the set-up "world" alone; got {data} for {setup!r}'
        )
    made = partial(chosen, data) if data else chosen
    return VerosModel(made, parameters, overrides, quick_compile=quick_compile)


def veros_black_box(model: VerosModel, state: State | None = None) -> VerosBlackBox:
    """`model` behind the verbs of a Session, started from `state` (default: as set up); it offers no derivative."""
    from emulator.veros.black_box import VerosBlackBox

    return VerosBlackBox(model, state)
