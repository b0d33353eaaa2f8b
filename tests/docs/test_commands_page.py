"""docs/commands.md names every command, and no other."""

import re
from pathlib import Path

from seedloom.bench import bench
from seedloom.cli import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def test_every_command_is_named() -> None:
    named = re.findall(r"^\| `seedloom ([\w-]+(?: (?:engine|router|link|codec))?)", PAGE, re.MULTILINE)
    measured = {f"bench {command.name or command.callback.__name__}" for command in bench.registered_commands}
    assert len(measured) == 4
    assert set(named) == set(COMMANDS) - {"bench"} | measured


def test_every_target_of_make_is_named() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    targets = set(re.findall(r"^\t@echo 'make (\w+)", makefile, re.MULTILINE))
    assert set(re.findall(r"`make (\w+)`", PAGE)) == targets - {"clean"}
