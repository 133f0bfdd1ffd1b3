"""The real model as a function of torch tensors: values from the run, derivatives from what it offers."""

from __future__ import annotations

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from emulator.tangent_linear import from_matrix
from emulator.torch_interop import differentiable, to_array, to_tensor

MATRIX = np.random.default_rng(0).standard_normal((5, 3))


def residual(x: np.ndarray) -> Any:
    """As an estimator gives it: values of a run, and an approximate Jacobian of its own."""
    tangent = from_matrix(MATRIX)
    return np.sin(MATRIX @ x), tangent.rmv


def test_backward_is_the_pull_and_forward_the_run() -> None:
    x = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64, requires_grad=True)
    value = differentiable(residual, x)
    (0.5 * (value**2).sum()).backward()
    expected = np.sin(MATRIX @ x.detach().numpy())
    assert value.detach().numpy() == pytest.approx(expected)
    assert x.grad.numpy() == pytest.approx(MATRIX.T @ expected)


def test_several_inputs_and_named_outputs() -> None:
    def run(a: np.ndarray, b: np.ndarray) -> Any:
        return {"sum": a + b, "product": a * b}, lambda w: [w["sum"] + b * w["product"], None]

    a, b = (torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True) for _ in range(2))
    fields = differentiable(run, a, b)
    (fields["sum"].sum() + 2 * fields["product"].sum()).backward()
    assert a.grad.tolist() == [5.0, 7.0] and b.grad is None


def test_a_run_is_made_once_however_often_it_is_used() -> None:
    calls = []

    def run(x: np.ndarray) -> Any:
        calls.append(x)
        return x.copy(), lambda w: w

    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    y = differentiable(run, x)
    torch.autograd.grad((y * y).sum() + y.sum(), x)
    assert len(calls) == 1


def test_arrays_and_tensors_share_memory_where_they_can() -> None:
    array = np.zeros(3)
    tensor = to_tensor(array)
    array[0] = 1.0
    assert tensor[0] == 1.0
    assert np.shares_memory(to_array(tensor), array)
    assert to_tensor(jnp.ones(2)).dtype == torch.float64  # its memory is read-only: a copy


def test_without_torch_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"nemo-bridge\[torch\]"):
        to_tensor(np.zeros(1))
