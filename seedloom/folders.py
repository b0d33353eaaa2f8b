"""``seedloom compress``, ``inspect``, ``verify`` and ``export``: commands about compressed folders.

What computes is imported inside the commands, so that ``seedloom doctor`` runs where torch does not.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import seedloom
from formats.plurals import number_of
from seedloom.interruption import resumable
from seedloom.options import Folder, Json
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sw_runtime.fit.report import LayerReport
    from sw_runtime.nn.folder import Contents

NONE = "none"
"""What stands for no calibration text."""


def compress(
    source: Annotated[str, typer.Argument(help="Hugging Face folder of the model, or a GGUF file.")],
    output: Annotated[Path, typer.Argument(help="Folder to write the compressed model to.")],
    format: Annotated[str, typer.Option(help="Format of every layer; see docs/formats.md.")] = "trellis-4bit",
    bits: Annotated[
        float | None,
        typer.Option(help="Average bits per weight; formats are chosen per layer by sensitivity."),
    ] = None,
    calibration: Annotated[
        str,
        typer.Option(
            help="Text to calibrate on: a file, 'packaged', 'datasets:NAME', 'self' (the model writes it first) or "
            "'none' (quality is much lower)."
        ),
    ] = "self",
    modules: Annotated[str | None, typer.Option(help="Regex: compress only layers whose name matches.")] = None,
    fp16: Annotated[
        str | None, typer.Option(help="Regex: keep matching layers in FP16 (they still run on the device).")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a finished result in the output folder.")
    ] = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Go on where less than half of the weights can be compressed.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(help="Search on a Ray cluster: 'auto', or HOST:PORT of its head.")
    ] = None,
    polish: Annotated[
        int, typer.Option(min=0, help="Steps that train row scales, norms and biases after the search; 0 for none.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what time, memory and disk it will take, and write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compress a model: every linear layer becomes seeds of pseudo-random generators."""
    text = None if calibration == NONE else calibration
    if dry_run:
        from sw_runtime.compress.estimate import estimate
        from sw_runtime.compress.plan import Request, plan

        request = Request(format, text, bits, modules, fp16, allow_partial, polish)
        found = estimate(plan(source, None, request, dry=True))
        typer.echo(figures_text(asdict(found)) if as_json else found)
        return
    with resumable(output):
        seedloom.compress(
            source,
            output,
            format=format,
            bits=bits,
            calibration_text=text,
            modules=modules,
            fp16=fp16,
            overwrite=overwrite,
            allow_partial=allow_partial,
            cluster=cluster,
            polish=polish,
        )
    from sw_runtime.compress.coverage import read_coverage

    if covered := read_coverage(output):
        typer.echo(covered, err=True)
    _print_contents(output, seedloom.inspect(output), as_json)
    if calibration == "self":
        typer.echo("calibrated on a text that the model wrote itself; --calibration names another", err=True)
    if calibration == NONE:
        typer.echo(
            "compressed without a calibration text: SmolLM2-135M lost three to five times as much as with one "
            "(measured)",
            err=True,
        )


def inspect(folder: Folder, as_json: Json = False) -> None:
    """List the layers of a compressed folder: format, bits per weight, method and output error."""
    from sw_runtime.fit.report import read_report

    contents, reports = seedloom.inspect(folder), read_report(folder)
    if not as_json:
        for layer in contents.layers:
            shape = f"[{layer.rows}, {layer.columns}]"
            quality = _quality(reports.get(layer.name))
            typer.echo(f"{layer.name:48} {layer.format:14} {shape:>16} {layer.bits_per_weight:6.3f} bits{quality}")
    _print_contents(folder, contents, as_json, reports=reports)


def verify(
    folder: Folder,
    run: Annotated[
        bool, typer.Option("--run", help="Also run the model, and compare its first tokens with those kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that a compressed folder is complete, every stored word valid, and everything as it was written."""
    verdict = "complete, unchanged, every word valid; " + ("golden tokens equal; " if run else "")
    _print_contents(folder, seedloom.verify(folder, run), as_json, verdict=verdict)


def export(
    folder: Folder,
    output: Annotated[Path, typer.Argument(help="What to write: a folder, or a .gguf file. It may not be there.")],
    to: Annotated[
        str, typer.Option(help="'dense', an ordinary Hugging Face folder, or 'gguf', a file for llama.cpp.")
    ] = "dense",
    dtype: Annotated[
        str | None,
        typer.Option(help="Of a dense folder's weights; default: that of its config.json. float32 keeps every bit."),
    ] = None,
) -> None:
    """Write a compressed model's decoded weights as an ordinary model."""
    seedloom.export(folder, output, to, dtype)
    typer.echo(f"{output}: the weights of {folder}, decoded", err=True)


def _quality(report: "LayerReport | None") -> str:
    """Method and output error on held-out text, where there was a calibration."""
    if report is None:
        return ""
    error = "" if report.held_out_error is None else f", output error {report.held_out_error:.4f}"
    return f"  {report.method}{error}"


def _print_contents(
    folder: Path,
    contents: "Contents",
    as_json: bool,
    verdict: str = "",
    reports: "Mapping[str, LayerReport] | None" = None,
) -> None:
    if as_json:
        typer.echo(figures_text(_as_json(folder, contents, reports or {})))
        return
    typer.echo(
        f"{folder}: {verdict}{number_of(len(contents.layers), 'layer')}, {contents.weights:,} weights at "
        f"{contents.bits_per_weight:.3f} bits, {contents.layer_bytes / 1e6:.1f} MB "
        f"(16-bit: {contents.dense_bytes / 1e6:.1f} MB), and {contents.other_bytes / 1e6:.1f} MB of other tensors"
    )


def _as_json(folder: Path, contents: "Contents", reports: "Mapping[str, LayerReport]") -> dict[str, Any]:
    answer: dict[str, Any] = {
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
    if reports:
        answer["report"] = {name: report.as_json() for name, report in reports.items()}
    return answer
