"""Write docs/nemo_parameters.md from bridge/models/nemo/parameters.toml.

Usage: nemo_parameter_table.py [docs/nemo_parameters.md]
"""

import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bridge.models.nemo.namelists import VERSIONS, Condition, fortran  # noqa: E402
from bridge.models.nemo.parameters import NemoParameter, Remark, parameters  # noqa: E402

TARGET = ROOT / "docs" / "nemo_parameters.md"

HEAD = """# NEMO's parameters

What can be tuned in NEMO 5.0, 4.2 and 4.0, and how a new value takes effect. Written by `make docs` from
[`bridge/models/nemo/parameters.toml`](../bridge/models/nemo/parameters.toml);
`nemo-bridge parameters --model nemo --namelist namelist_cfg` shows the same under your namelists: the value there,
whether it has an effect, and what forbids it.

* **set**: *live* — in the running model, many runs in one job; *relaunch* — NEMO starts anew with the value in its
  namelist.
* **takes effect**: *each step* — NEMO reads it at each step. *derived* — NEMO also computes other constants from it at
  the start; the bridge repeats that, since setting the parameter alone gives a silently wrong run. *field* — NEMO makes
  a field of it at the start; the bridge rescales the field. *initialisation* — used at the start of a run only.
* **matters**: the switches that must hold, and what makes NEMO ignore the value. A bound has a zero gradient where it
  is not reached.
* The range is one to bound a tuning with, not a limit of NEMO. Where versions differ, the version stands beside the
  value.

A parameter that NEMO overwrites under your switches is refused, one that has no effect is warned of.
"""

SECTIONS = {
    "entry": "## {group}",
    "ice": "## {group} (sea ice, namelist_ice_cfg)",
    "maps": "## Maps\n\n2-D multipliers `[j, i]`, in no namelist: 1 everywhere changes nothing. They apply to the "
    "first values, so that setting a map twice does not multiply twice. They are set "
    "[from Python, or tuned patch by patch](nemo.md#maps).",
}
COLUMNS = ("parameter", "meaning", "units", "default", "range", "transform", "set", "takes effect", "matters")


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for title, members in groupby(parameters(), key=section):
        lines += [title, "", row(COLUMNS), row("---" for _ in COLUMNS)]
        lines += [row(cells(one)) for one in members]
        lines.append("")
    return "\n".join(lines)


def section(one: NemoParameter) -> str:
    """Heading under which a parameter stands."""
    if one.kind == "multiplier":
        return SECTIONS["maps"]
    return SECTIONS["ice" if one.file == "namelist_ice" else "entry"].format(group=one.group)


def cells(one: NemoParameter) -> tuple[str, ...]:
    """One parameter, a cell for each of COLUMNS."""
    return (
        f"`{one.name if one.kind == 'multiplier' else one.entry}`{versions(one)}",
        f"{one.meaning}{f'. *{one.note}*' if one.note else ''}",
        "–" if one.units == "1" else one.units,
        default(one),
        f"{one.lower:g} … {one.upper:g}",
        one.transform,
        "live" + "".join(f", with {condition(c)}" for c in one.live_when) if one.live else "relaunch",
        effect(one),
        "; ".join(
            [
                *map(condition, (*one.scheme, *one.needs)),
                *map(overwritten, one.overwritten_by),
                *map(cap, one.cap),
            ]
        )
        or "always",
    )


def versions(one: NemoParameter) -> str:
    """Where a parameter is missing or called otherwise."""
    only = f" (only {', '.join(one.versions)})" if len(one.versions) < len(VERSIONS) else ""
    return only + "".join(
        f", {version}: `{name.partition('/')[2]}`" for version, name in (one.names or {}).items()
    )


def default(one: NemoParameter) -> str:
    """The default, or that of each version."""
    different = sorted(set(one.default.values()))
    if len(different) > 1:
        return ", ".join(f"{value:g} ({version})" for version, value in one.default.items())
    return f"{different[0]:g}" if different else "none"


def effect(one: NemoParameter) -> str:
    """How a new value takes effect."""
    if one.effect == "derived":
        return f"derived: {', '.join(one.derived)}"
    return f"field: {one.field}" if one.effect == "field" else one.effect


def condition(one: Condition) -> str:
    """A switch and the values that it must have."""
    names = " or ".join(f"`{name}`" for name in one.entries)
    return f"{names} = {' or '.join(map(fortran, one.accepted))}"


def overwritten(one: Remark) -> str:
    """Under which switches NEMO ignores the parameter."""
    return f"**not with** {' and '.join(map(condition, one.when))}: {one.says}"


def cap(one: Remark) -> str:
    """Where the parameter is only a bound."""
    when = f"with {' and '.join(map(condition, one.when))} " if one.when else ""
    return f"*{when}{one.says}*"


def row(columns) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(text.replace("|", "\\|") for text in columns) + " |"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(page(), encoding="utf-8")
