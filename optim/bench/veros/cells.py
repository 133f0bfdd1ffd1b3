"""Parts of a benchmark that are measured once: a JSON file each, complete or not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.ledger_key import content_hash


@dataclass(frozen=True)
class Cells:
    """Results in `directory`, by name and by the `setting` that they depend on."""

    directory: Path
    setting: dict[str, Any]

    def get(self, name: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        """The result called `name`, made now by `measure(*arguments)` if it is not there."""
        file = self.file(name, ".json")
        if not file.exists():
            result = measure(*arguments)
            unfinished = file.with_suffix(".part")
            unfinished.write_text(json.dumps(result, indent=1))
            unfinished.rename(file)
        return json.loads(file.read_text())

    def file(self, name: str, suffix: str) -> Path:
        """Where something called `name` with this setting is kept."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return self.directory / f"{name}-{content_hash(self.setting)[:8]}{suffix}"
