"""Errors as the commands show them: one line on stderr, with options called as they are typed."""

import re
from typing import Any

import typer
from typer.core import TyperCommand

from formats.errors import SeedloomError
from formats.full_disk import system_words

EXPECTED_ERRORS = (SeedloomError, OSError)
"""What a user can mend; any other error is a fault of ours and keeps its traceback."""

ENDINGS = (typer.Exit, typer.Abort, BrokenPipeError)
"""How commands end early; of a pipe that nobody reads on, typer says nothing."""


def option_names(command: Any) -> dict[str, str]:
    """Every option of a command, or of all commands of a group, by the name of its parameter."""
    names = {each.name: each.opts[0] for each in command.params if each.param_type_name == "option"}
    for inner in getattr(command, "commands", {}).values():
        names |= option_names(inner)
    return names


def as_typed(message: str, options: dict[str, str]) -> str:
    """A message on one line; where it begins with a parameter's name, as the functions call it, with the option's."""
    line = " ".join(message.split())
    named = re.match(r"(\w+)(=| must | of .* must )", line)
    if named is None or named[1] not in options:
        return line
    between = " " if named[2] == "=" else named[2]
    return f"{options[named[1]]}{between}{line[named.end() :]}"


def show(error: Exception, command: Any) -> None:
    """Write an expected error of a command to stderr."""
    said = system_words(error) if isinstance(error, OSError) else str(error)
    typer.echo(f"error: {as_typed(said, option_names(command))}", err=True)


class OneLineErrors(TyperCommand):
    """A command of the source tree (``python -m …``). An expected error is one line on stderr, exit 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ENDINGS:
            raise
        except EXPECTED_ERRORS as error:
            show(error, self)
            raise typer.Exit(1) from error
