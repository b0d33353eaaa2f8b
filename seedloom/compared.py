"""How commands end that compare what they simulate or measure."""

import typer


def exit_unless(equal: bool) -> None:
    """End with exit code 1, which scripts notice, if something differs.

    Raises
    ------
    typer.Exit
        If ``equal`` is False.
    """
    if not equal:
        raise typer.Exit(1)
