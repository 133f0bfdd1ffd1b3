"""Priors by which every parameter moves the observations alike, and the side of them on which the observed run lies.

What acts within a step may do little over weeks, and the other way round: with fixed spreads of the priors one
component holds nearly all of a gradient, and another is lost beside it. So the spreads of a window follow from what
the parameters do in it. No gradient of a cost goes into that, and no test point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

Blocks = Sequence[np.ndarray]
_DIGITS = 6  # to which two choices are told apart
_ROUNDING = 1e-12  # a parameter with a smaller share in every block does nothing


def responses(observe: Callable[[np.ndarray], Blocks], size: int, step: float) -> list[np.ndarray]:
    """Central differences about x = 0 of every block of observations, [m_b, P]; `observe(x)` gives blocks [m_b]."""
    pairs = [(observe(step * d), observe(-step * d)) for d in np.eye(size)]
    columns = [[(u - v) / (2.0 * step) for u, v in zip(*pair, strict=True)] for pair in pairs]
    return [np.stack(block, axis=1) for block in zip(*columns, strict=True)]


def balanced_spreads(blocks: Blocks) -> np.ndarray:
    """Factors [P] on the spreads that `blocks` [m_b, P] are responses to; the largest is 1, 0 is for what does nothing.

    With |J_bi| the response of block b to parameter i, a_i² = Σ_b |J_bi|²/Σ_j |J_bj|² says how much of what the blocks
    show is due to i, every block counting alike; factors are in proportion to 1/a_i.
    """
    squares = np.array([np.sum(block**2, axis=0) for block in blocks])
    shares = np.sum(
        squares / np.maximum(np.sum(squares, axis=1, keepdims=True), np.finfo(float).tiny), axis=0
    )
    acts = shares > _ROUNDING
    if not acts.any():
        raise ValueError("no parameter moves any of the observations in this window")
    inverse = np.where(acts, 1.0 / np.sqrt(np.where(acts, shares, 1.0)), 0.0)
    return inverse / inverse.max()


def adding_sides(blocks: Blocks) -> np.ndarray:
    """Signs [P] of an observed run for which the effects add up rather than cancel, given `blocks` [m_b, P].

    Seen from the prior mean the gradient of a cost of balanced blocks is −G t, G = Σ_b J_bᵀJ_b/|J_b t|², if the
    observed run lies at t: the sides are those for which its smallest component along t is largest, relative to its
    norm. Where sides are equally good (groups of parameters act on different blocks), low values are chosen.
    """
    size = blocks[0].shape[1]
    sides = (np.array([1.0, *rest]) for rest in product((-1.0, 1.0), repeat=size - 1))
    return max(sides, key=lambda side: round(_smallest_share(blocks, side), _DIGITS))


def _smallest_share(blocks: Blocks, side: np.ndarray) -> float:
    gradient = np.zeros(side.size)
    for block in blocks:
        answer = block @ side
        gradient += block.T @ answer / max(float(answer @ answer), np.finfo(float).tiny)
    return float(np.min(side * gradient) / np.linalg.norm(gradient))
