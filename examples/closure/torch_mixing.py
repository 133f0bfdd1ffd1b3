"""The network in torch: a perceptron that makes diffusivities of a column of temperature."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from gyre_windows import Columns, Window, mixing_tendency

from emulator.torch_interop import TorchClosure, coupled_run, to_tensor

WIDTH = 32
LARGE = 1.0e-4  # m2 s-1


class Mixing(torch.nn.Module):
    """{"thetao": [k, j, i]} -> {"thetao_tendency": [k, j, i]}."""

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        levels = len(columns.e3t)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(levels, WIDTH), torch.nn.Tanh(), torch.nn.Linear(WIDTH, levels - 1)
        )
        with torch.no_grad():  # begins with next to no mixing
            self.network[-1].weight *= 0.1
            self.network[-1].bias -= 4.0
        self.columns = {name: to_tensor(values) for name, values in vars(columns).items()}
        self.double()

    def forward(self, fields: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        columns, thetao = self.columns, fields["thetao"]
        inputs = (thetao.movedim(0, -1) - columns["mean"]) / columns["spread"]
        diffusivity = LARGE * torch.nn.functional.softplus(self.network(inputs).movedim(-1, 0))
        return {"thetao_tendency": mixing_tendency(torch, diffusivity, thetao, columns)}


class TorchLearner:
    """A module and Adam; one `descend` is one real run for each window."""

    def __init__(self, columns: Columns, rate: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.columns = columns
        self.module = Mixing(columns)
        self._adam = torch.optim.Adam(self.module.parameters(), lr=rate)
        self.history: list[float] = []

    @property
    def closure(self) -> TorchClosure:
        """The network as it is now."""
        return TorchClosure(self.module)

    def backward(self, windows: list[Window]) -> float:
        """Mean loss of the windows; its gradient is added to the parameters' `grad`."""
        self._adam.zero_grad()
        total = 0.0
        for window in windows:
            records = coupled_run(window, self.module)
            loss = window.loss(records["thetao"], to_tensor(window.target), to_tensor(window.weights))
            (loss / len(windows)).backward()
            total += float(loss.detach()) / len(windows)
        return total

    def descend(self, windows: list[Window]) -> float:
        """One step of Adam; the loss before it."""
        loss = self.backward(windows)
        self._adam.step()
        self.history.append(loss)
        return loss

    # --- for the check against differences: the weights as one vector ---

    def vector(self) -> np.ndarray:
        """All weights [n]."""
        return torch.nn.utils.parameters_to_vector(self.module.parameters()).detach().numpy().copy()

    def set_vector(self, values: np.ndarray) -> None:
        """Other weights [n]."""
        torch.nn.utils.vector_to_parameters(to_tensor(values), self.module.parameters())

    def gradient_vector(self, windows: list[Window]) -> np.ndarray:
        """The gradient [n]."""
        self.backward(windows)
        slopes = [parameter.grad for parameter in self.module.parameters()]
        return torch.nn.utils.parameters_to_vector(slopes).numpy().copy()

    # --- on disk ---

    def save(self, path: Path) -> None:
        """Weights, Adam's memory and the history; the file is there whole or not at all."""
        part = path.with_suffix(".part")
        kept = {"module": self.module.state_dict(), "adam": self._adam.state_dict(), "history": self.history}
        torch.save(kept, part)
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        kept = torch.load(path)
        self.module.load_state_dict(kept["module"])
        self._adam.load_state_dict(kept["adam"])
        self.history = list(kept["history"])
