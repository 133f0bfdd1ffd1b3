"""Python <-> Fortran: an ocean model as a function that Python can call. numpy and xarray only."""

from bridge.coupling import Coupling
from bridge.errors import (
    BridgeError,
    ConfigurationError,
    LedgerBusy,
    ModelBlewUp,
    ModelCrashed,
    PeerTimeout,
    ProtocolError,
)
from bridge.fields import CATALOGUE, FieldSpec
from bridge.model import (
    BatchModel,
    Grid,
    Model,
    ModelDescription,
    Outcome,
    OutcomeKind,
    Params,
    Recording,
    Snapshot,
    Trajectory,
)

__all__ = [
    "CATALOGUE",
    "BatchModel",
    "BridgeError",
    "ConfigurationError",
    "Coupling",
    "FieldSpec",
    "Grid",
    "LedgerBusy",
    "Model",
    "ModelBlewUp",
    "ModelCrashed",
    "ModelDescription",
    "Outcome",
    "OutcomeKind",
    "Params",
    "PeerTimeout",
    "ProtocolError",
    "Recording",
    "Snapshot",
    "Trajectory",
]
