"""The model card of a compressed folder: what it is, how much of it is compressed, how to load it."""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, RepoCard

from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from sw_runtime.compress.coverage import read_coverage
from sw_runtime.compress.divergence import read_divergence
from sw_runtime.json_files import read_object
from sw_runtime.nn.shards import COPY_OR_COMPRESS, read_headers, shard_files
from sw_runtime.texts.self_written import SELF

BYTES = {"U8": 1, "I16": 2, "BF16": 2, "F32": 4}
"""Bytes of an element of a compressed layer's tensors, as safetensors calls their dtypes."""

NOT_OURS = ("base_model", "base_model_relation", "library_name", "model-index", "quantized_by", "tags")
"""What an original's card says of the original alone: its own base, and its measured results."""

TAG = "seedlm"

KINDS = (
    (PRESETS, "seeds of pseudo-random generators (SeedLM, arXiv 2410.10714)"),
    (TRELLIS_PRESETS, "bit streams of a trellis code (after QTIP, arXiv 2406.11235)"),
    (PALETTES, "codes of palettes (AFM, arXiv 2407.21075)"),
)
"""Families of formats, and what their words are."""


def model_card(folder: Path, base_model: str, original: str, calibration: str | Path | None) -> str:
    """The text of a compressed folder's README.md, with front matter as the Hugging Face Hub reads it.

    Parameters
    ----------
    folder
        The folder: its weights, config.json and report.json are written.
    base_model
        What the original is called.
    original
        The original's own card. License, language and the like are kept, and its text follows.
    calibration
        What the model was calibrated on, as ``compress`` takes it.
    """
    fields, text = _taken_apart(original)
    tags = [tag for tag in _listed(fields.get("tags")) if tag != TAG]
    kept = {name: value for name, value in fields.items() if name not in NOT_OURS}
    ours = {"base_model": base_model, "base_model_relation": "quantized", "library_name": "transformers"}
    front_matter = CardData(**kept | ours | {"tags": [*tags, TAG]}).to_yaml()
    follows = f"\n## The original's card\n\n{text.strip()}\n" if text.strip() else ""
    return f"---\n{front_matter}\n---\n\n{_body(folder, base_model, calibration)}{follows}"


def _body(folder: Path, base_model: str, calibration: str | Path | None) -> str:
    config = read_object(folder / "config.json", COPY_OR_COMPRESS, infinity=True)
    modules = config["quantization_config"]["modules"]
    coverage = read_coverage(folder)
    assert coverage is not None  # `compress` writes it
    stored = sum(
        BYTES[tensor.dtype] * math.prod(tensor.shape)
        for name, tensor in read_headers(shard_files(folder)).items()
        if name.rpartition(".")[0] in modules and not name.endswith(".bias")
    )
    bits = 8 * stored / coverage.compressed
    formats = ", ".join(f"{format} {number}" for format, number in Counter(modules.values()).most_common())
    dense = "; ".join(
        f"{100 * weights / coverage.total:.1f} % ({reason})" for reason, weights in coverage.dense.items()
    )
    architecture = config["architectures"][0]
    return f"""# {base_model.rpartition("/")[2]}, compressed by seedloom

The linear layers of `{base_model}` are stored as {_kinds(modules.values())}.
Their weights are computed from these when the model runs.

| | |
|---|---|
| compressed | {100 * coverage.share:.1f} % of the weights, at {bits:.3f} bits per weight, scales included |
| layers by format | {formats} |
| stays dense | {dense or "nothing"} |
| calibrated on | {_words(calibration)} |

## How to load it

```python
import seedloom  # registers the format with transformers
from transformers import {architecture}

model = {architecture}.from_pretrained("FOLDER")
```

`seedloom verify FOLDER` checks that every file is as it was written. `seedloom export FOLDER OUT` writes the decoded
weights as an ordinary model.

## What compression costs

{_loss(folder)} `seedloom eval FOLDER --reference ORIGINAL` measures it on any text, and both perplexities.
"""


def _kinds(formats: Iterable[str]) -> str:
    """What the words of formats are, with the paper of each family."""
    used = set(formats)
    return " and ".join(kind for family, kind in KINDS if used & family.keys()) or "16-bit floating-point numbers"


def _loss(folder: Path) -> str:
    """The divergence that the folder's report has, in words."""
    found = read_divergence(folder)
    if found is None:
        return "The KL divergence from the original was not measured when this card was written."
    return (
        f"KL divergence of the next token from the original's: {found} nats, {found.kind} on\n"
        f"{found.tokens} tokens of the calibration text that took no part in the search."
    )


def _taken_apart(card: str) -> tuple[dict[str, Any], str]:
    """Fields and text of a card. Front matter that cannot be read stays in the text, so that nothing is lost."""
    if not card.lstrip().startswith("---"):
        return {}, card
    try:
        found = RepoCard(card)
        return dict(vars(found.data)), found.text
    except Exception:  # the YAML package has errors of its own kinds
        return {}, f"```\n{card}\n```"


def _listed(tags: Any) -> list[Any]:
    return tags if isinstance(tags, list) else [] if tags is None else [tags]


def _words(calibration: str | Path | None) -> str:
    """What a model was calibrated on, without the place where it lies on this machine."""
    if calibration is None:
        return "no text: all inputs count alike"
    if calibration == SELF:
        return "a text that the model wrote itself, `calibration.txt`"
    return f"`{Path(calibration).name if Path(calibration).is_file() else calibration}`"
