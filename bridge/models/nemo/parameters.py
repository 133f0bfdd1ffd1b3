"""NEMO's tunable parameters: what parameters.toml says of them, and what it means under a user's namelists.

`how` answers the question that a tuning job asks of each parameter: can it be set in the running model, does it take
a relaunch, or is it pointless to try; `why_without_effect` and `cautions` say what the namelist does to it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bridge.errors import ConfigurationError
from bridge.models.nemo.namelists import VERSIONS, Condition, check_version, lookup
from bridge.models.parameters import Parameter
from bridge.namelist import Namelist

REGISTRY = Path(__file__).with_name("parameters.toml")
#: how a new value reaches the equations
EFFECTS = ("each step", "derived", "field", "initialisation")
TRANSFORMS = ("linear", "log", "logit")
#: a namelist entry, or a map [j, i] that multiplies a field of the model and is in no namelist
KINDS = ("entry", "multiplier")
#: the namelist that holds it: the ocean's or the sea ice's
FILES = ("namelist", "namelist_ice")
LIVE, RELAUNCH, REFUSED = "live", "relaunch", "refused"


@dataclass(frozen=True)
class Remark:
    """What to say when all conditions hold; without conditions always."""

    when: tuple[Condition, ...]
    says: str

    def applies(self, values: Namelist) -> bool:
        """True when the namelist has every entry asked for, with the value asked for."""
        return all(condition.holds(values) for condition in self.when)


@dataclass(frozen=True)
class NemoParameter(Parameter):
    """A tunable parameter of NEMO.

    `default` per version (none where NEMO insists on a choice); `names` where a version has another "group/entry";
    where `scheme` does not hold, the scheme that reads it is off; where `needs` does not, the scheme does without it;
    under `overwritten_by` NEMO ignores its value; `cap` says where it is only a bound. `live`: the bridge sets it in
    a running model, where `live_when` holds.
    """

    default: Mapping[str, float]
    transform: str
    versions: tuple[str, ...]
    effect: str
    derived: tuple[str, ...] = ()
    field: str = ""
    scheme: tuple[Condition, ...] = ()
    needs: tuple[Condition, ...] = ()
    overwritten_by: tuple[Remark, ...] = ()
    cap: tuple[Remark, ...] = ()
    live: bool = False
    live_when: tuple[Condition, ...] = ()
    names: Mapping[str, str] | None = None
    kind: str = "entry"
    file: str = "namelist"
    note: str = ""

    def name_in(self, version: str) -> str:
        """ "group/entry" as this version of NEMO spells it."""
        return (self.names or {}).get(version, self.name)

    def value(self, values: Namelist, version: str) -> float | None:
        """Value in the ocean's namelist; None for a map, for sea ice, and where the version lacks it."""
        if self.kind == "multiplier" or self.file != "namelist" or version not in self.versions:
            return None
        return lookup(values, self.name_in(version))


@dataclass(frozen=True)
class How:
    """The `way` to a new value ("live", "relaunch" or "refused"), its reason, and what a user should be warned of."""

    way: str
    reason: str
    warnings: tuple[str, ...] = ()


@cache
def parameters(path: Path = REGISTRY) -> tuple[NemoParameter, ...]:
    """All parameters, in the order of the file; ConfigurationError names file, parameter and key of a mistake."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["parameter"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigurationError(f"{path}: not a file of [[parameter]] tables ({error})") from error
    found = tuple(
        _parameter(entry, f"{path.name}, parameter {number}") for number, entry in enumerate(entries, 1)
    )
    names = [one.name.lower() for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{path.name}: {name} is there more than once")
    return found


def parameter(name: str, version: str | None = None) -> NemoParameter:
    """The parameter called "group/entry" (case does not matter), by any version's name.

    ConfigurationError suggests the nearest name, and says which versions have it when `version` does not.
    """
    for known in parameters():
        spellings = {known.name, *(known.names or {}).values()}
        if name.lower() in {spelling.lower() for spelling in spellings}:
            if version is not None and check_version(version) not in known.versions:
                raise ConfigurationError(_not_in(known, version))
            return known
    everything = [known.name for known in parameters()]
    entry = name.rpartition("/")[2].lower()
    close = [one for one in everything if one.rpartition("/")[2].lower() == entry] or [
        one
        for one in everything
        if one.lower() in difflib.get_close_matches(name.lower(), map(str.lower, everything))
    ]
    hint = (
        f": did you mean {' or '.join(close)}?"
        if close
        else "; `nemo-bridge parameters --model nemo` lists them"
    )
    raise ConfigurationError(f"no tunable parameter of NEMO is called {name!r}{hint}")


def why_without_effect(one: NemoParameter, values: Namelist) -> list[str]:
    """Reasons why another value changes nothing under this namelist; empty when it matters."""
    return switched_off(one, values) + _unmet(one.needs, values) + _overwritten(one, values)


def switched_off(one: NemoParameter, values: Namelist) -> list[str]:
    """The switches by which the scheme that reads the parameter is off; empty when it is on."""
    return _unmet(one.scheme, values)


def cautions(one: NemoParameter, values: Namelist | None = None) -> list[str]:
    """Where the parameter matters only partly: bounds that may be inactive, and the registry's note."""
    bounds = [
        remark.says
        for remark in one.cap
        if (remark.applies(values) if values is not None else not remark.when)
    ]
    return bounds + ([one.note] if one.note else [])


def how(one: NemoParameter, version: str, values: Namelist | None = None) -> How:
    """How this version of NEMO takes another value, under the namelist if one is given."""
    version = check_version(version)
    if version not in one.versions:
        return How(REFUSED, _not_in(one, version))
    warnings: list[str] = cautions(one, values)
    if values is not None:
        if off := switched_off(one, values):
            return How(REFUSED, f"{one.name}: {'; '.join(off)}. The scheme that reads it is off")
        if overwritten := _overwritten(one, values):
            return How(REFUSED, f"{one.name}: {'; '.join(overwritten)}. Its value is not used")
        warnings = [
            f"{one.name} has no effect: {reason}" for reason in why_without_effect(one, values)
        ] + warnings
    blocked = [c for c in one.live_when if values is not None and c.holds(values) is False]
    if one.live and not blocked:
        return How(LIVE, _takes_effect(one), tuple(warnings))
    if one.kind == "multiplier":
        return How(
            REFUSED,
            f"{one.name} is a map that no namelist can hold, and this NEMO cannot take it while it runs",
        )
    return How(RELAUNCH, _relaunch_reason(one, blocked, values), tuple(warnings))


def _relaunch_reason(one: NemoParameter, blocked: list[Condition], values: Namelist | None) -> str:
    if blocked and values is not None:
        return f"the bridge does not reach it in a running model: {'; '.join(_unmet(tuple(blocked), values))}"
    if one.effect == "initialisation":
        return "NEMO uses it at the start of a run only"
    return "the bridge does not reach it in a running model"


def _takes_effect(one: NemoParameter) -> str:
    if one.effect == "derived":
        return f"set together with what NEMO derives from it: {', '.join(one.derived)}"
    if one.effect == "field":
        return one.field
    return "NEMO reads it at each step"


def _unmet(conditions: tuple[Condition, ...], values: Namelist) -> list[str]:
    return [f"{c.state(values)} ({c.wish()})" for c in conditions if c.holds(values) is False]


def _overwritten(one: NemoParameter, values: Namelist) -> list[str]:
    return [
        f"{' and '.join(c.state(values) for c in remark.when)}: {remark.says}"
        for remark in one.overwritten_by
        if remark.applies(values)
    ]


def _not_in(one: NemoParameter, version: str) -> str:
    return f"{one.name} is not in NEMO {version} (it is in {', '.join(one.versions)})"


_REQUIRED = ("group", "entry", "meaning", "units", "range", "transform", "effect")
_OPTIONAL = (
    *(
        "default",
        "versions",
        "derived",
        "field",
        "scheme",
        "needs",
        "overwritten_by",
        "cap",
        "live",
        "live_when",
    ),
    *("names", "kind", "file", "note"),
)


def _parameter(entry: Mapping[str, Any], place: str) -> NemoParameter:
    place = f"{place} ({entry.get('group', '?')}/{entry.get('entry', '?')})"
    _check_keys(entry, _REQUIRED, _OPTIONAL, place)
    versions = tuple(entry.get("versions", VERSIONS))
    lower, upper = _numbers(entry["range"], place)
    one = NemoParameter(
        **{key: entry[key] for key in ("group", "entry", "units", "meaning", "transform", "effect")},
        lower=lower,
        upper=upper,
        default=_per_version(entry.get("default"), versions, place),
        versions=versions,
        derived=tuple(entry.get("derived", ())),
        scheme=_conditions(entry.get("scheme", ()), place),
        needs=_conditions(entry.get("needs", ()), place),
        overwritten_by=_remarks(entry.get("overwritten_by", ()), place),
        cap=_remarks(entry.get("cap", ()), place),
        live_when=_conditions(entry.get("live_when", ()), place),
        **{key: entry[key] for key in ("field", "live", "names", "kind", "file", "note") if key in entry},
    )
    _check(one, place)
    return one


def _check(one: NemoParameter, place: str) -> None:
    for key, allowed in (("effect", EFFECTS), ("transform", TRANSFORMS), ("kind", KINDS), ("file", FILES)):
        if getattr(one, key) not in allowed:
            raise ConfigurationError(f"{place}: {key} must be one of {allowed}, got {getattr(one, key)!r}")
    if not set(one.versions) <= set(VERSIONS) or not one.versions:
        raise ConfigurationError(f"{place}: versions must be among {VERSIONS}, got {one.versions}")
    if not one.lower < one.upper or (one.transform == "log" and one.lower <= 0.0):
        raise ConfigurationError(
            f"{place}: range must be [lower, upper], lower < upper, and positive for a log transform; "
            f"got [{one.lower:g}, {one.upper:g}]"
        )
    for version, value in one.default.items():
        if not one.lower <= value <= one.upper:
            raise ConfigurationError(f"{place}: default {value:g} ({version}) is outside the range")
    if (one.effect == "derived") != bool(one.derived) or (one.effect == "field") != bool(one.field):
        raise ConfigurationError(
            f"{place}: effect 'derived' lists derived = [...], effect 'field' says field = '...'"
        )


def _check_keys(entry: Mapping[str, Any], required: tuple, optional: tuple, place: str) -> None:
    missing = [key for key in required if key not in entry]
    unknown = [key for key in entry if key not in (*required, *optional)]
    if missing or unknown:
        hint = difflib.get_close_matches(unknown[0], (*required, *optional), n=1) if unknown else []
        raise ConfigurationError(
            f"{place}: "
            + "; ".join(
                ([f"missing {', '.join(missing)}"] if missing else [])
                + (
                    [f"unknown {', '.join(unknown)}" + (f", did you mean {hint[0]}?" if hint else "")]
                    if unknown
                    else []
                )
            )
        )


def _numbers(bounds: Any, place: str) -> tuple[float, float]:
    if (
        not isinstance(bounds, list)
        or len(bounds) != 2
        or not all(isinstance(b, int | float) for b in bounds)
    ):
        raise ConfigurationError(f"{place}: range must be [lower, upper], got {bounds!r}")
    return float(bounds[0]), float(bounds[1])


def _per_version(value: Any, versions: tuple[str, ...], place: str) -> dict[str, float]:
    if value is None:
        return {}
    table = value if isinstance(value, Mapping) else dict.fromkeys(versions, value)
    if set(table) != set(versions) or not all(isinstance(v, int | float) for v in table.values()):
        raise ConfigurationError(
            f"{place}: default must be a number, or one for each of {', '.join(versions)}; got {value!r}"
        )
    return {version: float(table[version]) for version in versions}


def _conditions(entries: Any, place: str) -> tuple[Condition, ...]:
    return tuple(_condition(entry, place) for entry in entries)


def _condition(entry: Mapping[str, Any], place: str) -> Condition:
    _check_keys(entry, ("entry", "is"), (), place)
    names = entry["entry"] if isinstance(entry["entry"], list) else [entry["entry"]]
    accepted = entry["is"] if isinstance(entry["is"], list) else [entry["is"]]
    for name in names:
        if not all(name.partition("/")):
            raise ConfigurationError(f"{place}: a condition's entry should read group/entry, got {name!r}")
    return Condition(tuple(names), tuple(accepted))


def _remarks(entries: Any, place: str) -> tuple[Remark, ...]:
    found = []
    for entry in entries:
        _check_keys(entry, ("says",), ("when",), place)
        found.append(Remark(_conditions(entry.get("when", ()), place), entry["says"]))
    return tuple(found)
