"""Where to run a model so that its response over the prior is seen: low-discrepancy points in scaled coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

_ROUNDS = 20  # so many times the wanted number are looked at before giving up


def space_filling(
    runs: int,
    lower: np.ndarray,
    upper: np.ndarray,
    key: int,
    avoid: Sequence[Sequence[float]] | np.ndarray = (),
    clearance: float = 0.0,
) -> np.ndarray:
    """`runs` points [N, P] of a scrambled Sobol sequence in the box, none nearer than `clearance` to one of `avoid`.

    `key` chooses the scrambling. ValueError if the box has too little room for that.
    """
    sequence = qmc.Sobol(len(lower), rng=np.random.default_rng(key))
    forbidden = np.reshape(np.asarray(avoid, float), (-1, len(lower)))
    kept = np.zeros((0, len(lower)))
    for _ in range(_ROUNDS):
        size = 1 << (runs - 1).bit_length()  # Sobol sequences are balanced in powers of two
        candidates = qmc.scale(sequence.random(size), lower, upper)
        gaps = np.linalg.norm(candidates[:, None] - forbidden[None], axis=-1)
        kept = np.concatenate([kept, candidates[np.all(gaps >= clearance, axis=1)]])
        if len(kept) >= runs:
            return kept[:runs]
    raise ValueError(
        f"the box leaves no room for {runs} runs at least {clearance:g} away from {len(forbidden)} points: "
        "use a larger reach"
    )
