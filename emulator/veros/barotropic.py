"""The barotropic solve: a direct solver with an exact adjoint, in the place of VEROS's Krylov solver.

VEROS's own (BiCGSTAB, absolute tolerance 1e-8) is differentiated by a Krylov solve with the same absolute tolerance:
where the cotangent is small the result is noise, 3 % of the gradient of a temperature loss (docs/veros.md).

Only the free points are unknowns; where the boundary mask is 0 the rows are the identity:
    A_ff x_f = r_f - A_fb r_b,   x_b = r_b
"""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sparse
from jax import lax
from scipy.sparse.linalg import splu

#: unknowns up to which the inverse is held as a matrix (72 MB): one product is faster than a call out of the program
DENSE_UNKNOWNS = 3000


class Factors(Protocol):
    """Solves A x = b [n] for a fixed A, under `jax.jit`, with derivatives of any order."""

    def __call__(self, b: jax.Array) -> jax.Array: ...


class DirectSolver:
    """VEROS's interface of a linear solver: `solve(state, rhs, x0, boundary_val)`.

    The matrix is that of the first state it is asked to solve for: islands are only known in the middle of the setup.
    `dense` decides between inverse and sparse factors; by default the number of unknowns does.
    """

    def __init__(self, dense: bool | None = None) -> None:
        self._dense = dense
        self._factors: Factors | None = None

    def solve(self, state: Any, rhs: Any, x0: Any, boundary_val: Any = None) -> jax.Array:
        """x [nx + 4, ny + 4] with A x = `rhs` at free points and `boundary_val` (default `x0`) elsewhere."""
        if self._factors is None:
            self._assemble(state)
        given = jnp.asarray(x0 if boundary_val is None else boundary_val, dtype=float)
        values = jnp.where(self._mask, rhs, given).reshape(-1)
        free, rows, columns, coupling = self._free, *self._coupling
        from_boundary = jnp.zeros(free.size).at[rows].add(coupling * values[columns])
        solution = self._factors(values[free] - from_boundary)  # type: ignore[misc]
        return values.at[free].set(solution).reshape(x0.shape)

    def _assemble(self, state: Any) -> None:
        from veros.core.external.solvers.scipy import SciPySolver

        with jax.ensure_compile_time_eval():
            matrix, mask = SciPySolver._assemble_poisson_matrix(state)
        self._mask = np.asarray(mask, dtype=bool)
        free, fixed = (np.flatnonzero(which.reshape(-1)) for which in (self._mask, ~self._mask))
        _require_identity(matrix, fixed)
        rows = matrix.tocsr()[free]
        coupling = rows[:, fixed].tocoo()
        self._free = free
        self._coupling = coupling.row, fixed[coupling.col], coupling.data
        dense = free.size <= DENSE_UNKNOWNS if self._dense is None else self._dense
        self._factors = inverse(rows[:, free]) if dense else sparse_factors(rows[:, free])


def _require_identity(matrix: sparse.spmatrix, fixed: np.ndarray) -> None:
    rows = matrix.tocsr()[fixed]
    if abs(rows - sparse.identity(matrix.shape[0], format="csr")[fixed]).sum() != 0:
        raise RuntimeError(
            "expected the identity in the rows of VEROS's Poisson matrix outside its boundary mask"
        )


def inverse(matrix: sparse.spmatrix) -> Factors:
    """The inverse as a matrix [n, n], made from rows of equal scale; its transpose is the adjoint."""
    scale = 1 / abs(matrix).max(axis=1).toarray()
    inverted = jnp.asarray(np.linalg.inv(scale * matrix.toarray()) * scale.T)
    return lambda b: inverted @ b


def sparse_factors(matrix: sparse.spmatrix) -> Factors:
    """LU factors of a sparse matrix, used by a call out of the compiled program; the adjoint uses their transpose."""
    scale = 1 / abs(matrix).max(axis=1).toarray().ravel()
    factors = splu((sparse.diags(scale) @ matrix).tocsc())
    entries = matrix.tocoo()

    def product(x: jax.Array) -> jax.Array:
        return jnp.zeros_like(x).at[entries.row].add(entries.data * x[entries.col])

    def solve(_: Any, b: jax.Array) -> jax.Array:
        return _outside(lambda b: factors.solve(scale[:, None] * b), b)

    def solve_transposed(_: Any, b: jax.Array) -> jax.Array:
        return _outside(lambda b: scale[:, None] * factors.solve(b, "T"), b)

    return lambda b: lax.custom_linear_solve(product, b, solve, solve_transposed)


def _outside(function: Any, b: jax.Array) -> jax.Array:
    """`function` of columns [n, m], called by the running program with b [..., n]."""

    def call(b: Any) -> np.ndarray:
        columns = np.asarray(b).reshape(-1, b.shape[-1]).T
        return np.ascontiguousarray(function(columns).T).reshape(b.shape)

    return jax.pure_callback(call, jax.ShapeDtypeStruct(b.shape, b.dtype), b, vmap_method="expand_dims")
