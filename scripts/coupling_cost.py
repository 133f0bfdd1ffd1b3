"""What a coupled step costs: milliseconds per step of a run alone, and with a closure that does nothing.

    mpirun -n 1 python scripts/coupling_cost.py : -n 1 exchange_partner 362 332 1 8  # a step that does nothing
    mpirun -n 1 python scripts/coupling_cost.py : -n 1 toy_ocean namelist_cfg        # the gyre, 3-D fields

Each figure is the best of many short runs, one after the other in turn.
"""

from __future__ import annotations

import time

import numpy as np

from bridge import Coupling, Recording
from bridge.session import Session

ROUNDS, STEPS = 60, 5
#: model -> what the closure gets, what it gives
FIELDS = {"exchange_partner": ("plane", "plane"), "toy_ocean": ("thetao", "thetao_tendency")}


def main() -> None:
    with Session.over_mpi() as session:
        model = session.registration.model
        received, sent = FIELDS[model]
        forcing = session.get(sent)

        def coupled(**how: object) -> Coupling:
            return Coupling(lambda step, fields: {sent: forcing}, (received,), (sent,), **how)  # type: ignore[arg-type]

        cases = {
            "alone": None,
            "lag 0": coupled(),
            "lag 1": coupled(lag=1),
            "lag 0, float32": coupled(dtype=np.float32),
            "lag 0, halo 1": coupled(halo=1),
        }
        best = dict.fromkeys(cases, np.inf)
        for _ in range(ROUNDS):
            for name, coupling in cases.items():
                start = time.perf_counter()
                session.advance(STEPS, Recording(()), coupling=coupling)
                best[name] = min(best[name], 1e3 * (time.perf_counter() - start) / STEPS)
        ranks = session.registration.decomposition.tiles
        for name, milliseconds in best.items():
            print(f"{model}, {len(ranks)} ranks, {name:15s} {milliseconds:8.3f} ms per step", flush=True)


if __name__ == "__main__":
    main()
