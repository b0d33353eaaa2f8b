"""``seedloom report``: a compressed folder as one page to read or to send."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from formats.errors import InputError
from seedloom.options import Folder

if TYPE_CHECKING:
    from sw_runtime.report.page import Sample


def report(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page; it may not be there.")] = Path(
        "report.html"
    ),
    text: Annotated[str | None, typer.Option(help="Have the model continue this text, on the host.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Folder of the original, which continues the text beside it.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the text.")] = 60,
) -> None:
    """Write one page of a compressed folder: bits, losses, errors of the layers, what stays dense, text, boards.

    The page needs nothing else and fetches nothing. Figures are those stored in the folder; boards' are derived.
    """
    if reference and not text:
        raise InputError("--reference continues a text; give one with --text")
    from sw_runtime.export.output import whole_output
    from sw_runtime.report.page import page

    with whole_output(output) as file:
        sample = _sample(folder, text, reference, tokens) if text else None
        file.write_text(page(folder, sample), encoding="utf-8")
    typer.echo(output)


def _sample(folder: Path, prompt: str, reference: Path | None, tokens: int) -> "Sample":
    """What compressed model and original write after a text, the likeliest token each time."""
    import torch

    import seedloom
    from sw_runtime.methods.continuation import continue_text
    from sw_runtime.pretrained import load_model, load_tokenizer
    from sw_runtime.report.page import Sample

    written = seedloom.generate(folder, prompt, tokens=tokens, greedy=True, device="host").text
    if reference is None:
        return Sample(prompt, written)
    tokenizer, model = load_tokenizer(reference), load_model(reference, dtype=torch.float32).eval()
    original = tokenizer.decode(continue_text(model, tokenizer, prompt, tokens))
    return Sample(prompt, written, original)
