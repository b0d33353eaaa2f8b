"""The command ``seedloom``: one function a command, errors handled here."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import seedloom
from papers.command import paper
from seedloom import doctor, folders, generation
from seedloom.bench import bench
from seedloom.bench_codec import codec
from seedloom.bench_router import router
from seedloom.demo import demo
from seedloom.evaluation import eval_command

EXPECTED_ERRORS = (ValueError, OSError, ImportError, RuntimeError)
"""Errors that bad input, a missing part or a device causes; any other is a fault of ours and keeps its traceback."""


class OneLineErrors(TyperGroup):
    """Prints an expected error as one line on stderr and exits with 1; ``--debug`` shows the traceback."""

    def invoke(self, ctx: Any) -> Any:  # typer's own copy of click gives the context's class no public name
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):  # how commands end early; both are RuntimeErrors
            raise
        except EXPECTED_ERRORS as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=OneLineErrors, no_args_is_help=True, pretty_exceptions_enable=False, context_settings={"max_content_width": 100}
)
for command in (
    demo,
    doctor.doctor,
    folders.compress,
    folders.inspect,
    folders.verify,
    generation.generate,
    generation.fit_m2r2,
    paper,
):
    app.command()(command)
app.command("eval")(eval_command)
for measurement in (router, codec):
    bench.command()(measurement)
app.add_typer(bench, name="bench")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(seedloom.__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Language models stored as seeds: compress them, look into them, run them on a device."""


def main() -> None:
    """Entry point of the console command."""
    app(prog_name="seedloom")
