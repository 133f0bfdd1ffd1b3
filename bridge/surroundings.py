"""What this process runs in: perhaps an MPI job, on so many cores."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path

#: what launchers set for a rank: Open MPI and PMIx, MPICH and Hydra, Slurm steps
_RANK_VARIABLE = re.compile(
    r"^(OMPI_COMM_WORLD|OMPI_UNIVERSE|OMPI_APP|OMPI_FILE|OMPI_FIRST|OMPI_NUM_APP|PMIX_|PMI_)"
)


def without_rank_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """`environment` (default: this process's) for a job that must not take itself for a part of the one around it."""
    environment = os.environ if environment is None else environment
    return {name: value for name, value in environment.items() if not _RANK_VARIABLE.match(name)}


def inside_mpi_job(environment: Mapping[str, str] | None = None) -> bool:
    """Was this process started as one of several ranks by mpirun or srun?"""
    environment = os.environ if environment is None else environment
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"):
        if environment.get(name, "").isdigit():
            return int(environment[name]) > 1
    return "PMIX_RANK" in environment


@functools.cache
def physical_cores() -> int:
    """Cores that this process may use, hyper-threads counted once (as mpirun counts its slots)."""
    allowed = os.sched_getaffinity(0)
    cores = set()
    for processor in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text().strip())
        except OSError:
            cores.add(str(processor))
    return len(cores)
