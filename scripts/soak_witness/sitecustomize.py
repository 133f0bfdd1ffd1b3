"""Put in front of PYTHONPATH by soak_tuning.py: writes down which runs are paid for and stored, beside the ledger.

A run that cost so many instances that it counts as crashed is not finished: a resumed job rightly makes it again.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from typing import Any


class _Witness(importlib.abc.MetaPathFinder):
    """Wraps Forward._pay of `optim.forward` when that module is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "optim.forward":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def executed(module: Any) -> None:
            execute(module)
            pay = module.Forward._pay

            def witnessed(forward: Any, key: str, x: Any, trajectory: Any) -> None:
                finished = trajectory.outcome.kind in module._ENDS
                _note("made" if finished else "crashed", key)
                pay(forward, key, x, trajectory)
                if finished:
                    _note("stored", key)

            module.Forward._pay = witnessed

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def _note(what: str, key: str) -> None:
    descriptor = os.open(os.environ["SOAK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f"{what} {key}\n".encode())
    os.close(descriptor)


if "SOAK_LOG" in os.environ:
    sys.meta_path.insert(0, _Witness())
