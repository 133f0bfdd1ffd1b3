"""Hostile bytes, a few thousand frames of them; `make fuzz` sends millions."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not: for `import hostile_server`
