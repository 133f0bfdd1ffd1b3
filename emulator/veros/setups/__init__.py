"""Set-ups of VEROS by name.

acc, acc_basic   VEROS's own: channel and basin, 2°, with and without an EKE closure
acc_coarse       acc with few cells (6°), for tests
acc_sector       a narrow sector from 60°S to 64°N with 40 levels
world            the global ocean on our own climatology, 4°, 2° or 1°
"""

from __future__ import annotations

from collections.abc import Callable

from veros import VerosSetup
from veros.setups.acc.acc import ACCSetup
from veros.setups.acc_basic.acc_basic import ACCBasicSetup

from emulator.veros.setups.acc_coarse import ACCCoarse
from emulator.veros.setups.acc_sector import ACCSector
from emulator.veros.setups.world import World

#: "world" takes a file as its first argument, the others need no data
SETUPS: dict[str, Callable[..., VerosSetup]] = {
    "acc": ACCSetup,
    "acc_basic": ACCBasicSetup,
    "acc_coarse": ACCCoarse,
    "acc_sector": ACCSector,
    "world": World,
}
