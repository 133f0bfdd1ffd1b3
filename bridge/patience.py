"""How long a peer that gives no sign of life is waited for."""

from __future__ import annotations

import os

#: environment variable: seconds without a sign of life after which a peer counts as lost, for server and model
PATIENCE = "NEMO_BRIDGE_PATIENCE"
DEFAULT_PATIENCE = 20.0


def patience() -> float:
    """Seconds, as NEMO_BRIDGE_PATIENCE says."""
    return float(os.environ.get(PATIENCE, DEFAULT_PATIENCE))
