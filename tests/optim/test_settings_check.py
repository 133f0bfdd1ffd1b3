"""Entries of a TOML table against the annotations of the dataclass that they become."""

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_type_hints

import pytest

from bridge.errors import ConfigurationError
from optim import experiment_file, settings_check
from optim.control import Control
from optim.refine import RefineSettings
from optim.settings_check import (
    Count,
    Fraction,
    Index,
    NonNegative,
    NonNegativeOrInfinite,
    Positive,
    PositiveOrInfinite,
    Range,
    as_table,
    as_tables,
    check,
    checked,
    make,
)

Month = Annotated[int, Range(1, 12)]


@dataclass(frozen=True)
class Swim:
    """A settings class with an entry of every type."""

    every: Count
    length: Positive = 1.0
    style: Literal["crawl", "butterfly"] = "crawl"
    months: tuple[Month, ...] = ()
    lanes: tuple[float, float] = (0.0, 1.0)
    salt: bool = False
    pool: str = ""


def test_a_table_becomes_the_dataclass() -> None:
    table = {"every": 2, "length": 3, "months": [1, 12], "lanes": [1, 2.5], "salt": True, "pool": "Adriatic"}
    swim = make(Swim, "[swim]", table)
    assert swim == Swim(2, 3.0, "crawl", (1, 12), (1.0, 2.5), True, "Adriatic")
    assert isinstance(swim.length, float) and isinstance(swim.lanes[0], float)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"every": "6"}, r"\[swim\]: every should be a whole number of at least 1, got '6'"),
        ({"every": 6.0}, "every should be a whole number"),
        ({"every": True}, "every should be .* got true"),
        ({"every": 2**63}, "every should be a whole number"),
        ({"length": "3"}, "length should be a finite number above 0, got '3'"),
        ({"length": False}, "length should be .* got false"),
        ({"length": 10**400}, "length should be"),
        ({"length": math.nan}, "length should be .* got nan"),
        ({"length": math.inf}, "length should be .* got inf"),
        (
            {"style": "crwl"},
            "style should be one of \"crawl\", \"butterfly\", got 'crwl'; did you mean 'crawl'",
        ),
        ({"style": ["crawl"]}, "style should be one of"),
        ({"months": 3}, "months should be a list, each a whole number from 1 to 12, got 3"),
        ({"months": [1, 13]}, "months should be"),
        ({"months": [1.5]}, "months should be"),
        ({"lanes": [1.0]}, r"lanes should be a list of 2, each a finite number, got \[1.0\]"),
        ({"lanes": [1.0, math.inf]}, "lanes should be"),
        ({"salt": 1}, "salt should be true or false, got 1"),
        ({"salt": "yes"}, "salt should be true or false, got 'yes'"),
        ({"pool": 3}, "pool should be a text, got 3"),
        ({"pol": "Adriatic"}, "unknown entry 'pol'; did you mean 'pool'"),
        ({"zzz": 1}, "unknown entry 'zzz'; known: every, lanes"),
    ],
)
def test_an_unfit_entry_is_named_with_what_was_expected_and_what_came(entry: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make(Swim, "[swim]", {"every": 1} | entry)


def test_missing_entries_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"\[swim\]: missing every"):
        make(Swim, "[swim]", {})


def test_fields_that_are_not_the_tables_are_unknown_in_it() -> None:
    assert checked(Swim, "[swim]", {"salt": True}, without=("every",)) == {"salt": True}
    with pytest.raises(ConfigurationError, match="unknown entry 'every'"):
        checked(Swim, "[swim]", {"every": 1}, without=("every",))


@pytest.mark.parametrize(
    ("hint", "inside", "outside"),
    [
        (float, [-1e300, 0.0, 3], [math.nan, math.inf, -math.inf]),
        (Count, [1, 2**40], [0, -1]),
        (Index, [0, 7], [-1]),
        (Positive, [1e-300, 5], [0.0, -1.0, math.inf, math.nan]),
        (NonNegative, [0.0, 5], [-1e-9, math.inf, math.nan]),
        (Fraction, [0.0, 1.0], [-0.1, 1.1, math.nan]),
        (PositiveOrInfinite, [1.0, math.inf], [0.0, -math.inf, math.nan]),
        (NonNegativeOrInfinite, [0.0, math.inf], [-1.0, -math.inf, math.nan]),
    ],
)
def test_ranges(hint: Any, inside: list, outside: list) -> None:
    for value in inside:
        assert check("[swim]", "x", value, hint) == value
    for value in outside:
        with pytest.raises(ConfigurationError, match="x should be"):
            check("[swim]", "x", value, hint)


def test_tables_and_lists_of_tables() -> None:
    with pytest.raises(ConfigurationError, match=r"\[swim\] should be a table of entries, got 'crawl'"):
        as_table("[swim]", "crawl")
    with pytest.raises(ConfigurationError, match=r"\[\[swim\]\] needs double brackets"):
        as_tables("[[swim]]", {"every": 1})
    with pytest.raises(ConfigurationError, match=r"\[\[swim\]\] number 2 should be a table"):
        as_tables("[[swim]]", [{}, 3])
    with pytest.raises(ConfigurationError, match=r"\[\[swim\]\] should be a list"):
        as_tables("[[swim]]", 3)


@pytest.mark.parametrize(
    "kind",
    [
        Control,
        RefineSettings,
        experiment_file.WindowSettings,
        experiment_file.ObservationSettings,
        experiment_file.CompareSettings,
        experiment_file.BudgetSettings,
        *experiment_file.MINIMISERS.values(),
        *experiment_file.ESTIMATORS.values(),
    ],
)
def test_every_default_of_the_experiment_file_passes_its_own_check(kind: type) -> None:
    hints = get_type_hints(kind, include_extras=True)
    for item in fields(kind):
        if item.name != "forward":  # of an estimator: not the file's
            assert settings_check._words(hints[item.name])
        if isinstance(item.default, int | float | str | tuple):
            assert check("[…]", item.name, item.default, hints[item.name]) == item.default
