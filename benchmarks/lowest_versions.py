"""The lowest version of every package that pyproject.toml bounds, as constraints for pip.

``python benchmarks/lowest_versions.py > constraints-lowest.txt``; with it, ``pip install -c constraints-lowest.txt .``
shows whether the bounds can be installed together.
"""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest_versions(project: dict[str, Any]) -> list[str]:
    """Lines ``name==version`` for the requirements with a lower bound, in alphabetical order."""
    extras = project["optional-dependencies"].values()
    requirements = map(Requirement, [*project["dependencies"], *(line for extra in extras for line in extra)])
    bounds = {
        requirement.name: bound.version
        for requirement in requirements
        for bound in requirement.specifier
        if bound.operator == ">="
    }
    return [f"{name}=={version}" for name, version in sorted(bounds.items())]


if __name__ == "__main__":
    print("# The lower bounds of pyproject.toml, by benchmarks/lowest_versions.py.")
    print("\n".join(lowest_versions(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"])))
