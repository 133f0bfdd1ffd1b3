"""Print the project's dependencies, one per line, so that they install without building the project.

Usage: requirements.py [EXTRA ...]
"""

import sys
import tomllib
from pathlib import Path


def main(extras: list[str]) -> None:
    """Write the core requirements and those of `extras` to standard output."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    print("\n".join(requirements))


if __name__ == "__main__":
    main(sys.argv[1:])
