"""torch and the real model: a run as a differentiable function of tensors, and a torch module as a closure.

    records = coupled_run(window, network)       # a real run; the gradient is the window's estimate
    loss = ((records["thetao"] - truth) ** 2).mean()
    loss.backward()

torch is imported when something here is used, and only then. Numbers are float64 and stay on the CPU, where the model
is; tensors and arrays share their memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

#: what comes back of a run: an array, or {name: array}
Outputs = Any
#: sensitivities to the outputs, of the same structure -> one to each input, None for none
Pull = Callable[[Outputs], Any]


class RunWindow(Protocol):
    """A run of the real model with a closure (`optim.gradients.CoupledWindow`)."""

    def run(self, closure: TorchClosure) -> tuple[Mapping[str, np.ndarray], Pull]:
        """Recorded fields, and the map from sensitivities to them to the gradient of the weights."""
        ...


def to_tensor(array: Any) -> torch.Tensor:
    """A float64 tensor on the array's memory; a copy only if torch cannot write there or its type is another."""
    values = np.asarray(array, dtype=np.float64)
    if not values.flags.writeable:  # JAX's arrays are not, and torch knows no such tensors
        values = values.copy()
    return _torch().from_numpy(values)


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """The float64 array on a tensor's memory. ValueError for another type: derivatives need float64."""
    if tensor.dtype != _torch().float64:
        raise ValueError(
            f"expected tensors of float64, got {tensor.dtype}: call .double() on the module or the tensor"
        )
    return tensor.detach().cpu().numpy()


def differentiable(run: Callable[..., tuple[Outputs, Pull]], *inputs: torch.Tensor) -> Outputs:
    """`run(*arrays)` made once, forward, as a function of torch tensors; backward is what it returns as its pull.

    For an estimator of the misfit's Jacobian:

        def residual(x):
            evaluation, _ = estimator.evaluate(x, state)
            return evaluation.residual, evaluation.tangent.rmv

        loss = 0.5 * (differentiable(residual, x) ** 2).sum()
    """
    arrays = [to_array(tensor) for tensor in inputs]
    outputs, pull = run(*arrays)
    if isinstance(outputs, Mapping):
        names = list(outputs)
        tensors = _joined(
            [outputs[name] for name in names], lambda w: pull(dict(zip(names, w, strict=True))), inputs
        )
        return dict(zip(names, tensors, strict=True))
    return _joined([outputs], lambda w: pull(w[0]), inputs)[0]


def coupled_run(window: RunWindow, module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Records of a real run that is coupled to `module`, differentiable by the module's parameters."""
    closure = TorchClosure(module)
    return differentiable(lambda *_: window.run(closure), *module.parameters())


@dataclass(frozen=True)
class TorchClosure:
    """A torch module as a closure: {field: tensor} in, {forcing: tensor} out.

    Its weights come in the order of `module.parameters()`.
    """

    module: torch.nn.Module

    def forcing(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What is sent to the model."""
        with _torch().no_grad():
            made = self.module({name: to_tensor(values) for name, values in fields.items()})
        return {name: to_array(values) for name, values in made.items()}

    def pull(
        self, fields: Mapping[str, np.ndarray], sensitivity: Mapping[str, Any]
    ) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """(to the fields, to the weights)."""
        tensors = {name: to_tensor(values).requires_grad_() for name, values in fields.items()}
        weights = list(self.module.parameters())
        with _torch().enable_grad():
            made = self.module(tensors)
        gradients = _torch().autograd.grad(
            [made[name] for name in sensitivity],
            [*tensors.values(), *weights],
            [to_tensor(values) for values in sensitivity.values()],
            allow_unused=True,
            materialize_grads=True,
        )
        arrays = [to_array(gradient) for gradient in gradients]
        return dict(zip(tensors, arrays, strict=False)), arrays[len(tensors) :]


def _joined(outputs: list[Any], pull: Callable[[list[Any]], Any], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The outputs as tensors that depend on the inputs by `pull`."""
    autograd: Any = _torch().autograd
    function: Any = autograd.Function

    class RealRun(function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            return tuple(to_tensor(output) for output in outputs)

        @staticmethod
        @autograd.function.once_differentiable
        def backward(ctx: Any, *sensitivities: Any) -> Any:
            pulled = pull([to_array(w.contiguous()) for w in sensitivities])
            parts = [pulled] if isinstance(pulled, np.ndarray) and len(inputs) == 1 else list(pulled)
            return tuple(None if part is None else to_tensor(part) for part in parts)

    return RealRun.apply(*inputs)


def _torch() -> Any:
    """torch, or an ImportError that says how to get it."""
    try:
        import torch
    except ImportError as error:
        raise ImportError('torch is not installed: pip install "nemo-bridge[torch]"') from error
    return torch
