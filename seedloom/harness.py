"""``seedloom lm-eval``: EleutherAI's evaluation harness, to which a compressed folder is a model by name."""

import sys
from importlib import import_module
from typing import Annotated

import typer

from formats.errors import DependencyError, InputError

lm_eval = typer.Typer(add_completion=False)


@lm_eval.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def _pass_on(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of lm-eval.", metavar="ARGUMENTS")] = None,
) -> None:
    """Run EleutherAI's lm-eval, where a compressed folder is `--model seedloom --model_args folder=OUT,on=emulated`.

    `seedloom lm-eval run --help` lists its options.
    """
    try:
        run = import_module("lm_eval.__main__").cli_evaluate
        import_module("seedloom.harness_model")  # registers its model
    except ImportError as error:
        missing = str(error.name).partition(".")[0]
        raise DependencyError(f"seedloom lm-eval needs {missing}: pip install 'seedloom[lm-eval]'") from error
    sys.argv = ["lm-eval", *(arguments or [])]
    try:
        run()
    except ValueError as error:
        if "Tasks not found" not in str(error):
            raise
        raise InputError(
            f"{error}; `seedloom lm-eval ls tasks` lists what there is, --include_path brings more"
        ) from error
