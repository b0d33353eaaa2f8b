"""Options that several commands share: one definition each, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from formats.engine import MOST_COLUMNS, MOST_ROWS

KV_BITS = 16
"""Of keys and values of a whole decoder, where nobody says."""

BATCH = 1
"""Tokens of a prompt that a whole decoder takes together, where nobody says."""

Folder = Annotated[Path, typer.Argument(help="Compressed folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Format = Annotated[str, typer.Option(help="Format of the weights; see docs/formats.md.")]
Rows = Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Rows of the matrix (output features).")]
Columns = Annotated[
    int, typer.Option("--cols", min=1, max=MOST_COLUMNS, help="Columns of the matrix (input features).")
]
Lanes = Annotated[int, typer.Option(min=0, help="Number of lanes; 0: as many as the memory port can feed.")]
PortBytes = Annotated[int, typer.Option(help="Bytes per cycle of the memory port: 4, 8, 16, 32 or 64.")]
ActivationBits = Annotated[int, typer.Option(help="Bits of an activation: 8 or 16.")]
