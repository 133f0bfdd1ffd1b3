"""What the cases of VEROS offer to trajectory adjoints: none of it is VEROS's derivative.

parameters     one-step probes of the real model at every fifth step, whatever the flow
flows          nothing moves (static), damped; VEROS with other physics (a wrong twin); ensembles of perturbed steps of
               temperature alone, with and without pooled steps, and with the wrong twin as their base; the
               coefficients of such an ensemble, or a network, learned once from another run
wrong twin     the same grid and dynamics, strong constant mixing in place of TKE and constant eddy-induced transport in
               place of EKE: its vertical mixing knows the water column only where it is unstable
near twin      with TKE as in the real model, but neither EKE nor mixing along isopycnals and eddy-induced transport:
               temperature diffuses along the levels
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from optim.bench.gradients.veros_runs import set_up
from optim.bench.gradients.veros_stepped import FIELD, SteppedVeros
from optim.bench.gradients.veros_steps import on_interior
from optim.bench.gradients.veros_trained import Lessons
from optim.gradients.ensemble_flow import Ensemble, EnsembleFlow, Regression
from optim.gradients.euler import Damped, Static
from optim.gradients.layout import Layout
from optim.gradients.linearisation import FlowKind, ForcingKind
from optim.gradients.other_step import OtherStep
from optim.gradients.probes import OneStepProbes
from optim.gradients.stencil import cross, grid_stencil

Linearisation = tuple[FlowKind, ForcingKind]

#: settings of the twins; with a hundredth of this mixing the wrong one's tangents grow without bound from step 10 on
WRONG = {"enable_tke": False, "enable_eke": False, "kappaH_0": 1e-2, "kappaM_0": 1e-1}
NEAR = {
    "enable_eke": False,
    "enable_neutral_diffusion": False,
    "enable_skew_diffusion": False,
    "enable_hor_diffusion": True,
    "K_h": 1000.0,
}
_TWIN_PARAMETERS = ("r_bot", "A_h")
#: K; so small that next to no perturbation throws a switch, and far above the rounding of a step
_SPREAD = 1e-6
_OUTLIERS = 10.0
_POOL = 20
_PROBE = 1e-4  # of the parameter's value
_DAMPING = 1.0 / (20 * 43200.0)  # 1/s: ten days


def linearisations(stepped: SteppedVeros, setup: str) -> Mapping[str, Callable[[int], Linearisation]]:
    """By name: seed -> (flow, forcing)."""
    runs, model = stepped.runs, stepped.model
    spreads = {f"veros/{name}": _PROBE * float(value) for name, value in runs.veros.params().items()}
    probes = OneStepProbes(model, spreads, every=5)
    twin, near = (cache(partial(other_veros, stepped, setup, changes)) for changes in (WRONG, NEAR))
    damped = Damped(Static(), _DAMPING, runs.veros.time_step)

    wet = {FIELD: runs.model.describe().grid.tmask}

    def ensemble(members: int, pool: int, base: Callable[[], FlowKind], seed: int) -> EnsembleFlow:
        drawn = Ensemble(members, {FIELD: _SPREAD}, pool, seed, wet=wet)
        regression = column_regression(stepped, np.inf if pool == 1 else _OUTLIERS)
        return EnsembleFlow(model, drawn, regression, base(), (FIELD,))

    def drawn(
        members: int, pool: int, base: Callable[[], FlowKind] = Static
    ) -> Callable[[int], Linearisation]:
        return lambda seed: (ensemble(members, pool, base, seed), probes)

    lessons = Lessons(stepped)
    return {
        "static_probes": lambda seed: (Static(), probes),
        "damped_static_probes": lambda seed: (damped, probes),
        "wrong_twin_probes": lambda seed: (twin(), probes),
        "near_twin_probes": lambda seed: (near(), probes),
        "fitted_ensemble": lambda seed: (
            lessons.fitted(ensemble(_TAUGHT, _POOL, Static, seed), seed),
            probes,
        ),
        "network": lambda seed: (lessons.trained(seed), probes),
        **{f"pooled_ensemble_{members}": drawn(members, _POOL) for members in POOLED},
        **{f"ensemble_{members}": drawn(members, 1) for members in SINGLE},
        **{f"twin_ensemble_{members}": drawn(members, _POOL, twin) for members in CORRECTED},
    }


#: members at each step
POOLED, SINGLE, CORRECTED = (1, 2, 5, 10), (10, 20, 40, 80), (2, 5)
_TAUGHT = 10


def other_veros(stepped: SteppedVeros, setup: str, changes: Mapping[str, Any]) -> OtherStep:
    """VEROS with other settings."""
    return OtherStep(on_interior(set_up(setup, _TWIN_PARAMETERS, changes), stepped.runs.state))


def column_regression(stepped: SteppedVeros, outliers: float = np.inf, ridge: float = 1e-3) -> Regression:
    """Temperature after a step from its whole column, which implicit mixing couples, and its four neighbours."""
    layout = Layout.of({FIELD: stepped.start[FIELD]})
    aside = [shift for shift in cross(0, 1, 1) if any(shift)]
    stencil = grid_stencil(layout, layout, {FIELD: aside}, (False, False, True), (FIELD,))
    wet = stepped.runs.model.describe().grid.tmask > 0
    return Regression(stencil.of_wet_cells(wet.ravel()), ridge=ridge, outliers=outliers)
