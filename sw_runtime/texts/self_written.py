"""Text that a model writes itself: what to calibrate on where nobody gives a text.

Every window starts with a token drawn from the whole vocabulary, and the model goes on by sampling at temperature 1
(after LLM-QAT, arXiv 2305.17888, §2.1, which generates its training data so).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from formats.errors import InputError
from sw_runtime.precision import bfloat16_products
from sw_runtime.progress import progress_bar
from sw_runtime.texts.calibration import LENGTH, WINDOWS, longest_window
from sw_runtime.texts.tokens import beginning

SELF = "self"
"""What stands for a text that the model writes itself."""


def check_writer(model: Any) -> None:
    """Refuse a model that does not predict tokens one after another.

    Raises
    ------
    InputError
        Naming the kind of model.
    """
    if model.config.is_encoder_decoder or not getattr(model, "can_generate", lambda: False)():
        raise InputError(f"a {type(model).__name__} writes no text of its own; give a calibration text, or 'none'")


def written_windows(
    model: Any, tokenizer: Any | None = None, windows: int = WINDOWS, length: int = LENGTH, seed: int = 0
) -> Tensor:
    """Windows of tokens that a model writes: int64 [windows, length]. Minutes for a small model; a bar shows how many.

    All windows are written side by side, so that a pass over the weights serves them all; the keys and values of
    all their tokens are kept meanwhile. The same seed gives the same windows on one machine; another machine may
    round a probability differently.

    Parameters
    ----------
    model
        A transformers model that generates.
    tokenizer
        Tells whether texts begin with a token of their own (BOS); none do without one.
    windows, length
        How many tokens; windows are no longer than the model's positions.
    seed
        Of the samples.

    Raises
    ------
    InputError
        As ``check_writer``.
    """
    check_writer(model)
    length = min(length, longest_window(model))
    with torch.random.fork_rng(devices=[]), progress_bar(total=windows * length, desc="writing", unit="token") as bar:
        torch.manual_seed(seed)
        start = torch.cat([beginning(tokenizer).expand(windows, -1), _any_tokens(model, windows)], dim=1)
        return _continue(model, start, length, lambda: bar.update(windows))


def _any_tokens(model: Any, count: int) -> Tensor:
    """Tokens drawn from the whole vocabulary: int64 [count, 1]."""
    return torch.randint(model.get_input_embeddings().num_embeddings, (count, 1))


class _Drawing(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Leaves the one token that chance draws, and tells of it.

    One uniform number per window is looked up among the summed probabilities. ``torch.multinomial``, which
    transformers would call, draws one per token of the vocabulary: a third of the time of a small model.
    """

    def __init__(self, written: Callable[[], object]) -> None:
        self._written = written

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._written()
        summed = scores.double().softmax(dim=-1).cumsum(dim=-1)
        drawn = torch.rand(len(scores), 1, dtype=summed.dtype, device=summed.device) * summed[:, -1:]
        token = torch.searchsorted(summed, drawn, right=True).clamp(max=summed.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)


@torch.inference_mode()
def _continue(model: Any, start: Tensor, length: int, written: Callable[[], object]) -> Tensor:
    """Sampled continuations, int64 [windows, length]. A text that ends is followed by another: no token stops it."""
    settings = GenerationConfig(
        max_length=length,
        do_sample=False,  # the draw leaves one token
        repetition_penalty=1.0,
        eos_token_id=model.get_input_embeddings().num_embeddings,  # an id of no token, lest the model's own be taken
        pad_token_id=0,
    )
    with bfloat16_products():
        tokens: Tensor = model.generate(
            start.to(model.device),
            attention_mask=torch.ones_like(start, device=model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([_Drawing(written)]),
        )
    return tokens.cpu()
