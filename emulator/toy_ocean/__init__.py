"""The exact twin of toy_ocean: the same equations in the same order, in files of the same names.

config      switches and parameters of a namelist file
grid        the mesh, read from the model's mesh_mask.nc
state       what a step carries; restart files
sbc         surface forcing
step        one step; runs of many
"""

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.state import State, Surface, Tendencies, read_restart
from emulator.toy_ocean.step import run

__all__ = ["Config", "Grid", "State", "Surface", "Tendencies", "read_restart", "run"]
