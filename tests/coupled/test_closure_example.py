"""The example of a learned closure runs from its nudging to the coupled network."""

from __future__ import annotations

from pathlib import Path

from bridge import namelist
from bridge.models import toy_ocean

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# As the example, with so few steps that it is the way that is tested, not the skill.
SCRIPT = f"""
import sys
sys.path.insert(0, {str(EXAMPLES / "closure")!r})
import learned_closure
learned_closure.LEARNING, learned_closure.TESTING = 12, 6
learned_closure.main()
"""


def test_example_learns_and_couples(jobs, tmp_path: Path) -> None:
    gyre = EXAMPLES / "gyre" / "namelist_cfg"
    settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": False}}
    toy_ocean.prepare(tmp_path, namelist.apply(toy_ocean.read_namelist(gyre), settings), gyre.parent)
    ended = jobs.run(SCRIPT, 2, "toy_ocean")
    assert ended.code == 0, ended.output
    errors = [float(line.split()[-2]) for line in ended.output.splitlines() if line.startswith("closure:")]
    # degC: both models are still close to their common start, and no closure has thrown them off
    assert len(errors) == 3 and all(0 < error < 0.01 for error in errors), ended.output
