"""Wrong experiment files are refused when they are read, with table, entry, what was expected and what came."""

import tomllib
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from optim.experiment_file import from_dict, read

TWIN = """
title = "twin"
prior = false
seed = 3
[budget]
model_runs = 14
[model]
ranks = 2
[window]
every = 6
days = 2.0
mean_days = 1.0
spinup_days = 3.0
[[controls]]
group = "namzdf"
entry = "rn_avt0"
lower = 1.0
upper = 20.0
prior_mean = 6.0
prior_spread = 2.0
start = 5.0
[[controls]]
group = "namzdf_tke"
entry = "rn_ediff"
lower = 0.1
upper = 5.0
prior_mean = 0.6
prior_spread = 0.3
transform = "log"
[[observations]]
kind = "twin"
field = "thetao"
sigma = 0.05
levels = [0, 1]
latitudes = [-60.0, 60.0]
noise = true
seed = 1
[truth]
"namzdf/rn_avt0" = 8.0
"namzdf_tke/rn_ediff" = 1.0
[fixed]
"namdrg_bot/rn_Cd0" = 1e-3
[estimator]
kind = "surrogate"
substeps = 2
[minimiser]
kind = "gauss-newton"
damping = 1e-3
[refine]
step = 0.1
most_steps = 2
[compare]
exact_cosine = true
"""

CLIMATOLOGY = TWIN.replace("days = 2.0\nmean_days = 1.0", "months = [1, 2]\nmonths_held_out = [3]").replace(
    'kind = "twin"\nfield = "thetao"\nsigma = 0.05\nlevels = [0, 1]\nlatitudes = [-60.0, 60.0]\nnoise = true',
    'kind = "climatology"\nfield = "tos"\nfile = "woa.nc"\nvariable = "t"\nsigma = 0.2\nbox = [4.0, 360.0]',
)


@pytest.mark.parametrize("text", [TWIN, CLIMATOLOGY])
def test_the_right_files_are_right(text: str) -> None:
    experiment = from_dict(tomllib.loads(text))
    assert experiment.start == {"namzdf": {"rn_avt0": 5.0}}
    assert experiment.fixed == {"namdrg_bot": {"rn_Cd0": 1e-3}}
    assert experiment.estimator.options == {"substeps": 2}


WRONG = [
    # the file
    ("seed = 3", 'seed = "a"', "seed should be a whole number of at least 0, got 'a'"),
    ("seed = 3", "seed = -3", "seed should be"),
    ("prior = false", "prior = 0", "prior should be true or false, got 0"),
    ("prior = false", 'prior = "false"', "prior should be true or false"),
    ('title = "twin"', "title = 3", "title should be a text, got 3"),
    # [budget]
    ("model_runs = 14", "model_runs = true", r"\[budget\]: model_runs should be .* got true"),
    ("model_runs = 14", "model_runs = 14.0", "model_runs should be a whole number"),
    ("[budget]\nmodel_runs = 14", "budget = 14", r"\[budget\] should be a table"),
    # [model]
    ("[budget]\nmodel_runs = 14\n[model]\nranks = 2", 'model = "nemo"', r"\[model\] should be a table of entries, got"),
    ("ranks = 2", "ranks = 2.0", r"\[model\]: ranks should be a whole number"),
    ("ranks = 2", "timeout = nan", r"\[model\]: timeout should be a finite number above 0, got nan"),
    ("ranks = 2", 'relaunch = "yes"', "relaunch should be true or false"),
    ("ranks = 2", 'kind = "nemo"', "there is no surrogate of NEMO; give"),
    ("ranks = 2", "kind = ['nemo']", r"\[model\]: kind should be a text"),
    # [window]
    ("every = 6", "every = 6.0", r"\[window\]: every should be a whole number of at least 1, got 6.0"),
    ("every = 6", 'every = "6"', "every should be"),
    ("days = 2.0", 'days = "2"', "days should be a finite number"),
    ("days = 2.0", "days = inf", "days should be a finite number"),
    ("days = 2.0", "months = 1", "months should be a list"),
    ("days = 2.0", "months = [1.5]", "months should be a list, each a whole number from 1 to 12, got"),
    ("days = 2.0", "months = [13]", "from 1 to 12"),
    ("days = 2.0\nmean_days = 1.0", "months = [1, 2]\nmonths_held_out = [2, 3]", "month 2 is named twice"),
    ("days = 2.0\nmean_days = 1.0", "months = [1, 1]", "month 1 is named twice"),
    ("mean_days = 1.0", "months_held_out = [2]", "months_held_out belongs to months"),
    ("mean_days = 1.0", "mean_days = 3.0", "mean_days should be at most days = 2, got 3"),
    ("spinup_days = 3.0", "spinup_days = nan", "spinup_days should be a finite number of at least 0"),
    ("spinup_days = 3.0", "spinup_days = -3", "spinup_days should be"),
    (TWIN[TWIN.index("[budget]") : TWIN.index("[[controls]]")], "window = 3\n", r"\[window\] should be a table"),
    # [[controls]]
    ("upper = 20.0", "upper = inf", r"\[\[controls\]\] number 1 \(namzdf/rn_avt0\): upper should be a finite"),
    ("upper = 20.0", 'upper = "20"', "upper should be"),
    ("prior_spread = 2.0", "prior_spread = nan", "prior_spread should be a finite number above 0"),
    ("prior_spread = 2.0", "prior_spread = inf", "prior_spread should be"),
    ("prior_spread = 2.0", "", "missing prior_spread"),
    ("upper = 20.0", "upper = 20.0\nuper = 30.0", "unknown entry 'uper'; did you mean 'upper'"),
    ('transform = "log"', 'transform = "lgo"', "transform should be one of .*did you mean 'log'"),
    ("start = 5.0", "start = nan", "start of namzdf/rn_avt0 should be a finite number, got nan"),
    ("start = 5.0", 'start = "5"', "start of namzdf/rn_avt0 should be"),
    ("start = 5.0", "start = 30.0", r"start of namzdf/rn_avt0: 30.0 is outside its bounds \[1.0, 20.0\]"),
    # [[observations]]
    ("[[observations]]", "[observations]", r"\[\[observations\]\] needs double brackets"),
    ('kind = "twin"', 'kind = "twins"', "kind should be one of .* did you mean 'twin'"),
    ("sigma = 0.05", "sigma = nan", r"\[\[observations\]\] number 1: sigma should be a finite number"),
    ("sigma = 0.05", "sigma = inf", "sigma should be"),
    ("sigma = 0.05", 'sigma = "0.05"', "sigma should be"),
    ("sigma = 0.05", "sigma = 0", r"\[\[observations\]\] of thetao: give sigma > 0"),
    ("sigma = 0.05", 'sigma_variable = "s"', "sigma_variable belongs to a climatology"),
    ("levels = [0, 1]", "levels = 3", "levels should be a list, each a whole number of at least 0, got 3"),
    ("levels = [0, 1]", "levels = [-1]", "levels should be"),
    ("latitudes = [-60.0, 60.0]", "latitudes = [60.0]", "latitudes should be a list of 2"),
    ("latitudes = [-60.0, 60.0]", "latitudes = [60, -60]", r"latitudes should be \[south, north\]"),
    ("latitudes = [-60.0, 60.0]", "latitudes = [-60, 100]", "a finite number from -90 to 90"),
    ("noise = true", "noise = 1", "noise should be true or false"),
    ("\nseed = 1\n", "\nseed = -1\n", r"\[\[observations\]\] number 1: seed should be"),
    ("noise = true", "cells_per_degree_of_freedom = -1", "cells_per_degree_of_freedom should be"),
    # [truth], [fixed]
    ('rn_avt0" = 8.0', 'rn_avt0" = nan', r"\[truth\]: namzdf/rn_avt0 should be a finite number, got nan"),
    ('rn_avt0" = 8.0', 'rn_avt0" = 80.0', r"\[truth\]: namzdf/rn_avt0: 80.0 is outside its bounds"),
    ('rn_Cd0" = 1e-3', 'rn_Cd0" = nan', r"\[fixed\]: namdrg_bot/rn_Cd0 should be a finite number"),
    ('rn_Cd0" = 1e-3', 'rn_Cd0" = "1e-3"', r"\[fixed\]: namdrg_bot/rn_Cd0 should be"),
    ('rn_Cd0" = 1e-3', 'rn_Cd0" = true', r"\[fixed\]: namdrg_bot/rn_Cd0 should be .* got true"),
    ("namdrg_bot/rn_Cd0", "namzdf_tke/rn_ediff", r"\[fixed\]: namzdf_tke/rn_ediff is one of the \[\[controls\]\]"),
    ("namdrg_bot/rn_Cd0", "rn_Cd0", r'\[fixed\]: entries are "group/entry" = value'),
    # [estimator]
    ('"surrogate"\nsubsteps = 2', '"coloured-differences"\nreach = 2', r"no control is a map \(patches = \[rows"),
    ('"surrogate"\nsubsteps = 2', '"coloured-differences"', "coloured-differences: missing reach"),
    ("start = 5.0", "patches = [2, 2]", "the simplified twins tune numbers, but namzdf/rn_avt0 is a map"),
    ("substeps = 2", 'substeps = "2"', r"\[estimator\] of kind surrogate: substeps should be"),
    ("substeps = 2", "substeps = 0", "substeps should be a whole number of at least 1, got 0"),
    ("substeps = 2", "substep = 2", "unknown entry 'substep'; did you mean 'substeps'"),
    ("substeps = 2", 'surrogate = "column"', "surrogate should be one of .* did you mean 'columns'"),
    ('"surrogate"\nsubsteps = 2', '"surogate"', r"\[estimator\]: kind should be one of .* did you mean 'surrogate'"),
    ('"surrogate"\nsubsteps = 2', '"ensemble"\nmembers = 0', "members should be a whole number of at least 1"),
    ('"surrogate"\nsubsteps = 2', '"ensemble"\nspread = -1', "spread should be a finite number above 0"),
    ('"surrogate"\nsubsteps = 2', '"ensemble"\nrefresh = nan', "refresh should be a number of at least 0"),
    ('"surrogate"\nsubsteps = 2', '"ensemble"\nridge = "a"', "ridge should be"),
    ('"surrogate"\nsubsteps = 2', '"ensemble"\nforward = 1', "unknown entry 'forward'"),
    ('"surrogate"\nsubsteps = 2', '"finite-difference"\nsteps = 1', "unknown entry 'steps'; did you mean 'step'"),
    ('"surrogate"\nsubsteps = 2', '"finite-difference"\nstep = 0', "step should be a finite number above 0"),
    ('"surrogate"\nsubsteps = 2', '"finite-difference"\ncentral = 1', "central should be true or false"),
    # [minimiser], [refine], [compare]
    ("damping = 1e-3", "damping = -1", r"\[minimiser\] of kind gauss-newton: damping should be a finite number"),
    ("damping = 1e-3", 'radius = "2"', r"radius should be a number above 0 \(or inf\), got '2'"),
    ("damping = 1e-3", "secants = 1", "secants should be true or false"),
    ('"gauss-newton"\ndamping = 1e-3', '"adam"\nrate = 0', "rate should be"),
    ('"gauss-newton"\ndamping = 1e-3', '"lbfgs"\nmemory = 0', "memory should be"),
    ('kind = "gauss-newton"', "kind = 3", r"\[minimiser\]: kind should be one of"),
    ("step = 0.1", "step = -0.1", r"\[refine\]: step should be a finite number of at least 0"),
    ("most_steps = 2", "most_steps = -1", r"\[refine\]: most_steps should be"),
    ("exact_cosine = true", 'exact_cosine = "no"', r"\[compare\]: exact_cosine should be true or false"),
    ("exact_cosine = true", "finite_difference_step = 0", "finite_difference_step should be"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "words"), WRONG)
def test_a_wrong_value_is_named_when_the_file_is_read(right: str, wrong: str, words: str) -> None:
    assert right in TWIN
    with pytest.raises(ConfigurationError, match=words):
        from_dict(tomllib.loads(TWIN.replace(right, wrong, 1)))


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("months = [1, 2]\nmonths_held_out = [3]", "days = 3", "give months in"),
        ("box = [4.0, 360.0]", "box = [4.0]", r"box should be \[degrees latitude, degrees longitude\]"),
        ("box = [4.0, 360.0]", "box = [-4.0, 360.0]", "box should be a list, each a finite number above 0"),
        ('variable = "t"', "", "needs file and variable"),
        ("sigma = 0.2", 'sigma_variable = "s"', "means over boxes need sigma"),
        ("sigma = 0.2", "sigma = 0.2\nnoise = true", "noise = true belongs to a twin"),
    ],
)
def test_a_wrong_climatology_is_named_when_the_file_is_read(right: str, wrong: str, words: str) -> None:
    assert right in CLIMATOLOGY
    with pytest.raises(ConfigurationError, match=words):
        from_dict(tomllib.loads(CLIMATOLOGY.replace(right, wrong, 1)))


@pytest.mark.parametrize(
    ("estimator", "needed"),
    [
        ('"finite-difference"', 3),
        ('"finite-difference"\ncentral = true', 5),
        ('"ensemble"', 3),
        ('"ensemble"\nmembers = 7', 8),
    ],
)
def test_the_budget_is_enough_for_the_first_gradient(estimator: str, needed: int) -> None:
    text = TWIN.replace('"surrogate"\nsubsteps = 2', estimator)
    enough = text.replace("model_runs = 14", f"model_runs = {needed}")
    assert from_dict(tomllib.loads(enough)).budget == needed
    with pytest.raises(
        ConfigurationError, match=f"model_runs = {needed - 1} is too small.* takes {needed} runs"
    ):
        from_dict(tomllib.loads(text.replace("model_runs = 14", f"model_runs = {needed - 1}")))


def test_infinity_is_a_radius() -> None:
    experiment = from_dict(tomllib.loads(TWIN.replace("damping = 1e-3", "radius = inf")))
    assert experiment.minimiser.radius == float("inf")


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('title = "Méditerranée"'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="latin.toml: should be UTF-8 text"):
        read(path)


NEMO = TWIN.replace("ranks = 2", 'kind = "nemo"').replace('"surrogate"\nsubsteps = 2', '"ensemble"')


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("days = 2.0\nmean_days = 1.0", "months = [1]", r"\[window\]: months count in toy_ocean's year"),
        (
            'kind = "twin"\nfield = "thetao"\nsigma = 0.05\nlevels = [0, 1]\nlatitudes = [-60.0, 60.0]\nnoise = true',
            'kind = "climatology"\nfield = "tos"\nfile = "woa.nc"\nvariable = "t"\nsigma = 0.2',
            "a climatology is compared by months, which NEMO has not yet",
        ),
    ],
)
def test_what_there_is_not_for_nemo(right: str, wrong: str, message: str) -> None:
    from_dict(tomllib.loads(NEMO))
    assert right in NEMO
    with pytest.raises(ConfigurationError, match=message):
        from_dict(tomllib.loads(NEMO.replace(right, wrong)))
