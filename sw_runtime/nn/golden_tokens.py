"""What a compressed model writes after a fixed prompt, kept in ``golden_tokens.json`` to be compared with later."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formats.errors import CheckpointError
from sw_runtime.file_views import FileViews
from sw_runtime.fit.layerwise import every_stage
from sw_runtime.json_files import read_object
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.shards import COPY_OR_COMPRESS
from sw_runtime.pretrained import load_model
from sw_runtime.progress import progress_bars

GOLDEN_TOKENS = "golden_tokens.json"

PROMPT, CONTINUATION = 8, 8
"""Tokens of the prompt, spread over the vocabulary so that no tokenizer is needed, and of what follows."""

DTYPE = "float32"
"""The dtype computed in, the one of ``seedloom generate``."""

TOLERANCE = 1e-3
"""How far a golden token's logit may be below the largest, in parts of the range of all: other processors round
otherwise. A wrong weight is seen all the same, as it moves logits by more."""


def golden_tokens(folder: Path) -> dict[str, Any]:
    """The content of ``golden_tokens.json``: ``dtype``, ``prompt`` and the greedy ``tokens`` after it.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is no complete language model.
    """
    model = load_undecoded(folder)
    vocabulary = model.config.get_text_config().vocab_size
    prompt = [vocabulary * (place + 1) // (PROMPT + 1) for place in range(PROMPT)]
    tokens: list[int] = []
    for _ in range(CONTINUATION):
        tokens.append(int(_logits(model, prompt + tokens)[-1].argmax()))
    return {"dtype": DTYPE, "prompt": prompt, "tokens": tokens}


def check_golden_tokens(folder: Path) -> None:
    """Run a folder's model on the host and compare it with its ``golden_tokens.json``.

    Raises
    ------
    FileNotFoundError
        If the folder has no golden tokens.
    CheckpointError
        If the file is damaged, or the model would write another token, naming the first.
    """
    path = folder / GOLDEN_TOKENS
    content = read_object(path, COPY_OR_COMPRESS)
    model = load_undecoded(folder)
    match content:
        case {"dtype": "float32", "prompt": [_, *_] as prompt, "tokens": [_, *_] as tokens}:
            vocabulary = model.config.get_text_config().vocab_size
            sound = all(type(token) is int and 0 <= token < vocabulary for token in prompt + tokens)
        case _:
            sound = False
    if not sound:
        raise CheckpointError(f"{path} is damaged (it needs a dtype, a prompt and tokens); {COPY_OR_COMPRESS}")
    logits = _logits(model, prompt + tokens)[len(prompt) - 1 : -1]
    largest, wanted = logits.amax(dim=-1), logits.gather(1, torch.tensor(tokens)[:, None])[:, 0]
    near = wanted >= largest - TOLERANCE * (largest - logits.amin(dim=-1))  # false for NaN
    if not near.all():
        place = int((~near).nonzero()[0])
        raise CheckpointError(
            f"{folder} does not write its golden tokens: token {place} is {int(logits[place].argmax())}, "
            f"not {tokens[place]}; {COPY_OR_COMPRESS}"
        )


def load_undecoded(folder: Path) -> Any:
    """A folder's model, of which no more than the layer that runs is in memory decoded.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is no complete language model.
    """
    with progress_bars(shown=False):
        model = load_model(folder, dtype=DTYPE)
    views = FileViews(model)
    for layer in compressed_linears(model).values():
        layer.keeps_decoded = False
    for stage in every_stage(model):
        stage.register_forward_hook(lambda *_: views.release())
    return model


def _logits(model: Any, tokens: list[int]) -> Tensor:
    """Logits after each token, [tokens, vocabulary]."""
    with torch.no_grad():
        logits: Tensor = model(torch.tensor([tokens])).logits[0]
    return logits
