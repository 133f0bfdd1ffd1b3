"""The honest surrogate of toy_ocean: reduced physics, linearised about recorded real states.

columns     water columns (T, S, TKE, Ekman shear) in a frozen flow; steps of about a day
dynamics    linear primitive equations without momentum advection, on the model's own step
closure     the TKE closure of both, with its production held
twin        either of them as a surrogate of recorded fields
forced      either of them under tendencies from outside, interval by interval

Why these and what they leave out: docs/surrogates.md.
"""

from emulator.simplified_toy_ocean.forced import ForcedTwin
from emulator.simplified_toy_ocean.twin import SimplifiedTwin

__all__ = ["ForcedTwin", "SimplifiedTwin"]
