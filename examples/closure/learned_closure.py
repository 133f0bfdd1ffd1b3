"""A closure that is learned from nudging, and then takes part in the Fortran model's steps.

The gyre with a flawed mixing parameter is nudged towards the gyre with the right one. The tendencies which that takes
are what the flawed model lacks. A small network learns them from the column's temperature, and is then coupled
to the flawed model in a period that it has not seen: with forcing for each step, and with a lag of one
interval, so that Python computes while the model computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from bridge import Coupling, Recording, Trajectory
from bridge.session import Session

FLAWED = {"namzdf_tke": {"rn_ebb": 20.0}}  # the wind stirs too little; 67.83 in the namelist
EVERY = 6  # steps of a coupling interval: half a day
LEARNING, TESTING = 120, 60  # steps: 10 days and the 5 that follow
RELAXATION = 86400.0  # s
RECORD = Recording(("thetao",), EVERY)


def main() -> None:
    with Session.over_mpi() as ocean:
        wet = ocean.describe().grid.tmask.astype(bool)  # [k, j, i]
        start = ocean.snapshot()
        state, target = ocean.get("thetao"), ocean.run({}, start, LEARNING + TESTING, RECORD).fields["thetao"]
        columns, tendencies = [], []

        def nudge(step: int, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            """Tendency [k, j, i] towards the right model, degC s-1; both are kept to learn from."""
            interval = (step - start.step) // EVERY
            wanted = target[interval - 1] if interval else state
            tendency = np.where(wet, (wanted - fields["thetao"]) / RELAXATION, 0.0)
            columns.append(fields["thetao"][:, wet[0]].T.copy())
            tendencies.append(tendency[:, wet[0]].T)
            return {"thetao_tendency": tendency}

        def run(closure: Callable | None, steps: int, lag: int = 0) -> Trajectory:
            coupling = closure and Coupling(closure, ("thetao",), ("thetao_tendency",), EVERY, lag)
            return ocean.run(FLAWED, start, steps, RECORD, coupling)

        run(nudge, LEARNING)
        closure = learned(np.concatenate(columns), np.concatenate(tendencies), wet)
        for name, chosen, lag in (("none", None, 0), ("learned", closure, 0), ("learned, lag 1", closure, 1)):
            thetao = run(chosen, LEARNING + TESTING, lag).fields["thetao"]
            error = (thetao - target)[LEARNING // EVERY :, :10][:, wet[:10]]
            print(
                f"closure: {name:15s} error of the upper 100 m {np.sqrt((error**2).mean()):.4f} degC",
                flush=True,
            )


def learned(columns: np.ndarray, tendencies: np.ndarray, wet: np.ndarray) -> Callable:
    """A closure from columns [n, k] of temperature and the tendencies [n, k] that they need, by Adam on squares."""
    mean, spread, scale = columns.mean(axis=0), columns.std(axis=0) + 1e-3, tendencies.std() + 1e-30
    levels, width = columns.shape[1], 32
    keys = jax.random.split(jax.random.key(0), 2)
    weights = {
        "into": jax.random.normal(keys[0], (levels, width)) / levels**0.5,
        "out": jax.random.normal(keys[1], (width, levels)) / width,
        "bias": jnp.zeros(width),
    }

    def network(weights: dict, columns: jax.Array) -> jax.Array:
        hidden = jnp.tanh((columns - mean) / spread @ weights["into"] + weights["bias"])
        return hidden @ weights["out"]

    adam = optax.adam(1e-2)
    inputs, outputs = jnp.asarray(columns), jnp.asarray(tendencies / scale)

    @jax.jit
    def improve(weights: dict, memory: optax.OptState) -> tuple[dict, optax.OptState]:
        slope = jax.grad(lambda w: ((network(w, inputs) - outputs) ** 2).mean())(weights)
        change, memory = adam.update(slope, memory)
        return optax.apply_updates(weights, change), memory

    memory = adam.init(weights)
    for _ in range(300):
        weights, memory = improve(weights, memory)
    apply = jax.jit(network)

    def closure(step: int, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tendency = np.zeros(wet.shape)
        tendency[:, wet[0]] = np.asarray(apply(weights, fields["thetao"][:, wet[0]].T)).T * scale
        return {"thetao_tendency": tendency * wet}

    return closure


if __name__ == "__main__":
    main()
