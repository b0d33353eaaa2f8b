"""``seedloom compress``, ``inspect`` and ``verify``: commands about compressed folders.

What computes is imported inside the commands, so that ``seedloom doctor`` runs where torch does not.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import seedloom

if TYPE_CHECKING:
    from sw_runtime.nn.folder import Contents

Folder = Annotated[Path, typer.Argument(help="Compressed folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def compress(
    source: Annotated[str, typer.Argument(help="Hugging Face folder.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    format: Annotated[str, typer.Option(help="Block format.")] = "scaled-4bit",
    calibration: Annotated[
        str | None,
        typer.Option(help="Text file that shows which inputs matter, or 'packaged'; quality suffers without."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output folder.")] = False,
    as_json: Json = False,
) -> None:
    """Compress a model into seeds."""
    from sw_runtime.nn.folder import describe

    seedloom.compress(source, output, format=format, calibration_text=calibration, overwrite=overwrite)
    _print_contents(output, describe(output), as_json)


def inspect(folder: Folder, as_json: Json = False) -> None:
    """List the layers of a compressed folder: formats, bits a weight, sizes."""
    from sw_runtime.nn.folder import describe

    contents = describe(folder)
    if not as_json:
        for layer in contents.layers:
            shape = f"[{layer.rows}, {layer.columns}]"
            typer.echo(f"{layer.name:48} {layer.format:12} {shape:>16} {layer.bits_per_weight:6.3f} bits")
    _print_contents(folder, contents, as_json)


def verify(folder: Folder, as_json: Json = False) -> None:
    """Check that a compressed folder is complete and every word of it valid."""
    from sw_runtime.nn import folder as compressed

    _print_contents(folder, compressed.verify(folder), as_json, verdict="complete, every word valid; ")


def _print_contents(folder: Path, contents: "Contents", as_json: bool, verdict: str = "") -> None:
    if as_json:
        typer.echo(json.dumps(_as_json(folder, contents), indent=2))
        return
    typer.echo(
        f"{folder}: {verdict}{len(contents.layers)} layers, {contents.weights:,} weights at "
        f"{contents.bits_per_weight:.3f} bits, {contents.layer_bytes / 1e6:.1f} MB "
        f"(16-bit: {contents.dense_bytes / 1e6:.1f} MB), and {contents.other_bytes / 1e6:.1f} MB of other tensors"
    )


def _as_json(folder: Path, contents: "Contents") -> dict[str, Any]:
    return {
        "folder": str(folder),
        "weights": contents.weights,
        "bits_per_weight": contents.bits_per_weight,
        "layer_bytes": contents.layer_bytes,
        "dense_bytes": contents.dense_bytes,
        "other_bytes": contents.other_bytes,
        "layers": [
            {
                "name": layer.name,
                "format": layer.format,
                "rows": layer.rows,
                "columns": layer.columns,
                "bits_per_weight": layer.bits_per_weight,
                "bytes": layer.stored_bytes,
            }
            for layer in contents.layers
        ],
    }
