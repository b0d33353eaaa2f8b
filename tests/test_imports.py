"""Every module of the rooms can be imported: each name that it takes of another package is there."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOMS = ("formats", "golden_models", "hw", "papers", "seedloom", "sw_runtime", "synth")

IMPORT_ALL = """
import pkgutil, sys
from importlib import import_module
for room in sys.argv[1:]:
    package = import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        if not module.name.endswith(".__main__"):
            import_module(module.name)
"""
"""In a process of its own: what the tests imported before must not help."""


def test_every_module_is_imported_in_a_fresh_process() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORT_ALL, *ROOMS], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_rooms_are_those_of_the_wheel() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(ROOMS)
