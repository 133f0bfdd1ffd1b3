"""A tunable parameter as a model's catalogue lists it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One tunable namelist entry: units, the range in which the model is meant to work, and what it does.

    The range is a physically plausible one to bound a tuning with, not a limit of the program.
    """

    group: str
    entry: str
    units: str
    lower: float
    upper: float
    meaning: str

    @property
    def name(self) -> str:
        """The name on the wire, "group/entry"."""
        return f"{self.group}/{self.entry}"
