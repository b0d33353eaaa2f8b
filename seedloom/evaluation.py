"""``seedloom eval``: what compression costs in text, beside other quantisers in the same run."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from formats.arguments import check_integers, check_types
from formats.errors import InputError
from seedloom.options import Json
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from torch import Tensor

    from sw_runtime.evaluate.text import Reference, TextQuality

WINDOWS, LENGTH = 16, 512
MOST = 1 << 20
"""More windows, or tokens of one, no text has and no model reads."""


@dataclass(frozen=True)
class Judged:
    """One model's figures.

    ``bits`` a weight of its quantised layers, scales included; ``layers``: relative output error by layer,
    if asked for.
    """

    name: str
    bits: float
    quality: "TextQuality"
    layers: dict[str, float] | None = None


@dataclass(frozen=True)
class Evaluation:
    """All figures of a run: the original's perplexity and everything compared with it on the same windows."""

    text: str
    windows: int
    length: int
    original_perplexity: float
    folders: list[Judged]
    baselines: list[Judged]


def evaluate(
    folders: list[Path] | list[str],
    reference: str | Path | None = None,
    text: str | None = None,
    windows: int = WINDOWS,
    length: int = LENGTH,
    baselines: list[str] | None = None,
    layers: bool = False,
) -> Evaluation:
    """Compare compressed folders, and baselines, with their original.

    Parameters
    ----------
    folders
        Compressed folders of one model; several are several recipes, or draws of one.
    reference
        The original's folder; the packaged SmolLM2-135M when not given.
    text
        A plain-text file; Wikipedia articles that no calibration sees when not given.
    windows, length
        Windows spread evenly over the text, tokens each. A window begins with the token that the tokenizer puts
        before a text by itself, where there is one.
    baselines
        Names of ``sw_runtime.evaluate.baselines.BASELINES``.
    layers
        Measure every layer's output error too.

    Raises
    ------
    InputError
        If an argument is of another type, a baseline is unknown, the text too short, or a folder none of the original.
    FileNotFoundError, CheckpointError
        If a folder is not there or not compressed, or the original is not there or not a plain model.
    DependencyError
        If a baseline's package is not installed.
    """
    from sw_runtime.evaluate.baselines import check_installed
    from sw_runtime.evaluate.text import Reference
    from sw_runtime.pretrained import load_tokenizer
    from sw_runtime.texts.calibration_text import read_file
    from sw_runtime.texts.corpora import evaluation_text
    from sw_runtime.texts.packaged_models import smollm2_folder
    from sw_runtime.texts.tokens import text_windows

    check_types(
        folders=(folders, list),
        reference=(reference, str | Path | None),
        text=(text, str | None),
        baselines=(baselines, list | None),
        layers=(layers, bool),
    )
    for folder in folders:
        check_types(folder=(folder, str | Path))
    check_integers(windows=(windows, range(2, MOST)), length=(length, range(2, MOST)))
    if not folders:
        raise InputError("folders must name one compressed folder or more")
    check_installed(baselines or [])
    source = smollm2_folder() if reference is None else Path(reference)
    paths = [Path(folder) for folder in folders]
    for folder in paths:
        _check_reference(folder, source)
    content = evaluation_text() if text is None else read_file(Path(text))
    chosen = text_windows(content, load_tokenizer(source), windows, length)
    original = _load(source)
    kept = Reference(original, chosen)
    judged = [_judge_folder(folder, original if layers else None, kept, chosen) for folder in paths]
    others = list(_judge_baselines(source, baselines or [], kept))
    name = text or "Wikipedia, articles kept for evaluation"
    return Evaluation(name, len(chosen), length, kept.perplexity, judged, others)


def _check_reference(folder: Path, reference: Path) -> None:
    """Refuse to compare a folder with what is no original, or that of another model."""
    from sw_runtime.compress.plain_weights import check_config
    from sw_runtime.nn.folder import compressed_config, describe
    from sw_runtime.pretrained import load_config

    sizes = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers")
    ours = compressed_config(folder).get_text_config()
    describe(folder)  # refuses damaged files before other folders are judged
    if not reference.is_dir():
        raise FileNotFoundError(f"{reference} is not a folder; name that of the original model with --reference")
    original = load_config(reference)
    check_config(original, str(reference))
    theirs = original.get_text_config()
    for name in sizes:
        if getattr(ours, name, None) != getattr(theirs, name, None):
            raise InputError(
                f"{folder} is not a compression of {reference}: {name} is {getattr(ours, name, None)}, "
                f"not {getattr(theirs, name, None)}; name the original with --reference"
            )


def _load(folder: Path) -> Any:
    import torch

    from sw_runtime.pretrained import load_model

    return load_model(folder, dtype=torch.float32).eval()


def _judge_folder(folder: Path, original: Any | None, reference: "Reference", windows: "Tensor") -> Judged:
    from sw_runtime.evaluate.layer_errors import layer_errors
    from sw_runtime.nn.folder import describe

    bits, model = describe(folder).bits_per_weight, _load(folder)
    errors = None if original is None else layer_errors(original, model, windows[:1])
    return Judged(folder.name, bits, reference.compare(model, folder.name), errors)


def _judge_baselines(source: Path, names: list[str], reference: "Reference") -> Iterator[Judged]:
    from sw_runtime.evaluate.baselines import BASELINES, quantise

    for name in names:
        model = _load(source)
        bits = BASELINES[name].bits_per_weight(model)
        quantise(model, name)
        yield Judged(name, bits, reference.compare(model, name))


def table(evaluation: Evaluation) -> str:
    """Markdown."""
    lines = [
        f"{evaluation.windows} x {evaluation.length} tokens of {evaluation.text}; "
        f"original's perplexity {evaluation.original_perplexity:.2f}",
        "",
        "| | bits | perplexity | log ratio | KL | same token |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for judged in evaluation.folders + evaluation.baselines:
        q = judged.quality
        estimates = [f"{e.mean:.3f} ± {e.error:.3f}" for e in (q.log_ratio, q.divergence)]
        estimates.append(f"{q.agreement.mean:.1%} ± {q.agreement.error:.1%}")
        lines.append(f"| {judged.name} | {judged.bits:.3f} | {q.perplexity:.2f} | {' | '.join(estimates)} |")
    return "\n".join(lines)


def spread(folders: list[Judged]) -> str:
    """How much draws of one recipe differ, in words; two or more of them."""
    divergences = [judged.quality.divergence.mean for judged in folders]
    return f"{len(folders)} draws: KL {mean(divergences):.3f} ± {stdev(divergences):.3f} between them"


def eval_command(
    folders: Annotated[list[Path], typer.Argument(help="Compressed folders of one model.")],
    reference: Annotated[Path | None, typer.Option(help="Folder of the original model; default: SmolLM2-135M.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Plain-text file to evaluate on; default: Wikipedia articles.")
    ] = None,
    windows: Annotated[int, typer.Option(min=2, help="Number of windows, spread evenly over the text.")] = WINDOWS,
    length: Annotated[int, typer.Option(min=2, help="Tokens per window.")] = LENGTH,
    baseline: Annotated[
        list[str] | None, typer.Option(help="Quantiser to compare with; repeatable, 'all' for every one.")
    ] = None,
    draws: Annotated[
        bool,
        typer.Option(
            "--draws", help="The folders are repeated runs of one recipe: also print how much their results vary."
        ),
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also measure the output error of every layer (with --json).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare compressed models with the original: perplexity, KL divergence, share of equal predictions."""
    from sw_runtime.evaluate.baselines import BASELINES

    if draws and len(folders) < 2:
        raise InputError("one folder has no spread; give two or more runs of a recipe, or leave out --draws")
    names = list(BASELINES) if baseline == ["all"] else baseline
    evaluation = evaluate(folders, reference, text, windows, length, names, layers)
    typer.echo(figures_text(asdict(evaluation)) if as_json else table(evaluation))
    if draws:
        typer.echo(spread(evaluation.folders), err=as_json)
