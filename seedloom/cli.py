"""The command ``seedloom``: where each command is, and how errors are shown.

A command's module is imported when the command is called or listed, and imports what computes only when
it runs. So help needs neither torch nor transformers.
"""

import logging
import platform
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import seedloom
from formats.command_line import ENDINGS, EXPECTED_ERRORS, show
from formats.full_disk import system_words

COMMANDS = {
    "demo": "seedloom.demo:demo",
    "doctor": "seedloom.doctor:doctor",
    "compress": "seedloom.folders:compress",
    "inspect": "seedloom.folders:inspect",
    "verify": "seedloom.folders:verify",
    "export": "seedloom.folders:export",
    "report": "seedloom.report:report",
    "boards": "seedloom.boards:boards",
    "image": "seedloom.images:image",
    "verilog": "seedloom.verilog:verilog",
    "program": "seedloom.program:program",
    "load-card": "seedloom.load_card:load_card",
    "release": "seedloom.release:release",
    "generate": "seedloom.generation:generate",
    "chat": "seedloom.chat:chat",
    "serve": "seedloom.serving:serve",
    "fit-m2r2": "seedloom.generation:fit_m2r2",
    "eval": "seedloom.evaluation:eval_command",
    "lm-eval": "seedloom.harness:lm_eval",
    "paper": "papers.command:paper",
    "selftest": "seedloom.selftest:selftest",
    "simulate": "seedloom.simulate:simulate",
    "bench": "seedloom.bench:bench",
}
"""Module and function, or group of commands, by name; in the order of the help."""

REPORT = (
    f"seedloom {seedloom.__version__} on Python {platform.python_version()}, {platform.system()}: "
    "this is a fault of the program's; please report it with the lines above"
)
"""Last line of an unexpected error's traceback."""


class Commands(TyperGroup):
    """The commands of the table. An expected error is one line on stderr, exit 1; ``--debug`` shows its traceback."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: dict[str, Any] = dict.fromkeys(COMMANDS)  # for the help, and to suggest a likely name

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # typer gives the class of a context no public name
        """A command by name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            group = typer.main.get_command(found)
            group.name = cmd_name
            return group
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(found)
        return typer.main.get_command(single)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; help and version are printed here, onto a full disk too."""
        try:
            return super().parse_args(ctx, args)
        except ENDINGS:
            raise
        except OSError as error:
            typer.echo(f"error: {system_words(error)}", err=True)
            raise typer.Exit(1) from error

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ENDINGS:
            raise
        except EXPECTED_ERRORS as error:
            if ctx.params["debug"]:
                raise
            show(error, self.get_command(ctx, ctx.invoked_subcommand))
            raise typer.Exit(1) from error
        except Exception as error:
            error.add_note(REPORT)
            raise


class AboveProgressBars(logging.Handler):
    """Writes what is logged to stderr, each line above the bar that is being drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line."""
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)


app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, context_settings={"max_content_width": 100}
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(seedloom.__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what is chosen for each layer, and why.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Store language models as seeds of pseudo-random generators, and run them on an accelerator."""
    if verbose:
        logger = logging.getLogger("seedloom")
        logger.setLevel(logging.INFO)
        logger.addHandler(AboveProgressBars())


def main() -> None:
    """Entry point of the console command."""
    if isinstance(sys.stdout, TextIOWrapper):  # not where it is closed
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character shows another for it
    app(prog_name="seedloom")
