"""Write toy_ocean's reference namelist (every group, entry, default and comment) from its Fortran declaration.

Usage: reference_namelist.py [nam_toy.f90 [toy_ocean_ref.nml]]
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "fortran_stubs" / "toy_ocean" / "nam_toy.f90"
TARGET = ROOT / "bridge" / "models" / "toy_ocean_ref.nml"

GROUP = re.compile(r"^\s*type :: (nam\w+)_type")
COMMENT = re.compile(r"^\s*!> (.*)")
ENTRY = re.compile(r"^\s*(?:real|integer|logical|character)[^:]*:: (\w+) = (.+?)(?:\s+!! (.*))?$")


def reference_namelist(source: str) -> str:
    """Namelist text for the derived types `nam…_type` of a Fortran module."""
    lines = [
        "! Every entry that toy_ocean reads, with its default. Written by scripts/reference_namelist.py."
    ]
    heading, inside = "", False
    for line in source.splitlines():
        if comment := COMMENT.match(line):
            heading = comment.group(1)
        elif group := GROUP.match(line):
            lines += ["", f"&{group.group(1)}   ! {heading}"]
            inside = True
        elif line.strip().startswith("end type") and inside:
            lines.append("/")
            inside = False
        elif inside and (entry := ENTRY.match(line)):
            name, value, remark = entry.groups()
            value = value.replace("_wp", "").strip()
            lines.append(f"   {name:<14} = {value:<20}" + (f" ! {remark}" if remark else ""))
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    source, target = (arguments + [SOURCE, TARGET][len(arguments) :])[:2]
    target.write_text(reference_namelist(source.read_text()))
