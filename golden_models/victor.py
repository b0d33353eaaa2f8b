"""Victor (arXiv 2410.14072): visual tokens are summed up in a few registers and then left behind.

Learned registers stand behind an image's tokens, so that causal attention lets each see all of them.
After k layers the visual tokens are dropped, once; registers and text go on. What the paper leaves
open is resolved here: kept rows keep their positions, and keys and values that visual tokens have in
the first k layers stay, for later tokens to see there.

There is no code of the authors'; the whole paper was read. ``best_of_image`` is FastV's choice in its patched
``modeling_llama.py``, read and not run. Nothing here is recollected.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import Quota
from formats.router.keys import score_keys
from golden_models.decoder import Decoder, KeysValues
from golden_models.layers import causal_mask
from golden_models.router.selection import TopK, range_mask, topk


@dataclass(frozen=True)
class VictorParameters:
    """Hyper-parameters.

    Parameters
    ----------
    registers
        M, for each image.
    drop_layer
        k, from 0: layers before it see the visual tokens.

    Raises
    ------
    InputError
        If a number is negative.
    """

    registers: int = 8
    drop_layer: int = 3

    def __post_init__(self) -> None:
        if self.registers < 0 or self.drop_layer < 0:
            raise InputError(f"registers and drop_layer are at least 0, not {self.registers} and {self.drop_layer}")


@dataclass(frozen=True)
class Prompt:
    """What goes into the first layer.

    Parameters
    ----------
    hidden_states
        [..., T, D]: text, image, registers, text, image, registers, … text.
    images
        Start and length of each image's run of visual tokens.
    """

    hidden_states: Tensor
    images: tuple[tuple[int, int], ...]


def assemble(texts: Sequence[Tensor], images: Sequence[Tensor], registers: Tensor) -> Prompt:
    """Put registers behind every image, and images between texts.

    Parameters
    ----------
    texts
        One more than images, each [..., L, D], L at least 0; the first is what stands before the first image.
    images
        Visual tokens, each [..., N, D].
    registers
        [M, D], or with leading dimensions.

    Raises
    ------
    InputError
        If there is not one text more than images.
    """
    if len(texts) != len(images) + 1:
        raise InputError(f"{len(images)} images stand between {len(images) + 1} texts, not {len(texts)}")
    parts, runs, length = [texts[0]], [], texts[0].shape[-2]
    for image, text in zip(images, texts[1:], strict=True):
        runs.append((length, image.shape[-2]))
        rows = [image, registers.expand(*image.shape[:-2], *registers.shape[-2:]), text]
        parts += rows
        length += sum(row.shape[-2] for row in rows)
    return Prompt(torch.cat(parts, dim=-2), tuple(runs))


Keep = Callable[[Tensor | None], Tensor]
"""Attention of the last layer before the drop, [..., heads, T, T] or None → rows that stay, bool [T]."""


def outside_images(prompt: Prompt) -> Keep:
    """Victor's choice: every row but the visual tokens, whatever their attention."""
    tokens = prompt.hidden_states.shape[-2]
    kept = torch.ones(tokens, dtype=torch.bool)
    for start, length in prompt.images:
        kept = range_mask(tokens, start, length, kept)
    return lambda _: kept


def best_of_image(prompt: Prompt, keep: int) -> Keep:
    """FastV's choice, the training-free rival: the visual tokens that the last token attends to most, and the rest.

    One prompt at a time: [heads, T, T].

    Raises
    ------
    InputError
        When it is asked before any layer: there is no attention to rank by.
    """

    def choose(attention: Tensor | None) -> Tensor:
        if attention is None:
            raise InputError("FastV ranks by attention; drop behind at least one layer")
        visual = ~outside_images(prompt)(None)
        rule = TopK(Quota.KEEP, keep, outside=True)
        return topk(score_keys(attention[:, -1]), rule, candidates=visual)

    return choose


@dataclass(frozen=True)
class Prefilled:
    """A prompt after all layers.

    Parameters
    ----------
    hidden_states
        Of the rows that stayed: [..., T', D].
    positions
        Theirs, as they were in the prompt: int64 [T'].
    caches
        Keys and values of each layer; those of layers before the drop hold every row.
    next_position
        Of the token that comes next.
    """

    hidden_states: Tensor
    positions: Tensor
    caches: tuple[KeysValues, ...]
    next_position: int


def prefill(decoder: Decoder, prompt: Prompt, drop_layer: int, keep: Keep) -> Prefilled:
    """Run a prompt, dropping rows before layer ``drop_layer``; a model of no more layers drops none."""
    x = prompt.hidden_states
    positions, attention, caches = torch.arange(x.shape[-2]), None, []
    for index, layer in enumerate(decoder.layers):
        if index == drop_layer:
            kept = keep(attention).nonzero().flatten()
            x, positions = x[..., kept, :], positions[kept]
        seen = decoder.keys_values(layer, x, positions)
        x, attention = decoder.attend(layer, x, positions, seen, causal_mask(positions, positions))
        x = decoder.feed_forward(layer, x)
        caches.append(seen)
    return Prefilled(x, positions, tuple(caches), prompt.hidden_states.shape[-2])


def step(decoder: Decoder, before: Prefilled, hidden_states: Tensor) -> Prefilled:
    """One token more, [..., 1, D]: it sees in each layer what that layer's cache holds."""
    position = torch.tensor([before.next_position])
    x, caches = hidden_states, []
    for layer, cache in zip(decoder.layers, before.caches, strict=True):
        seen = cache.then(decoder.keys_values(layer, x, position))
        everything = torch.ones(1, seen.keys.shape[-2], dtype=torch.bool)
        x, _ = decoder.attend(layer, x, position, seen, everything)
        x = decoder.feed_forward(layer, x)
        caches.append(seen)
    return Prefilled(x, position, tuple(caches), before.next_position + 1)


def cache_rows(parameters: VictorParameters, layers: int, visual: int, text: int) -> list[int]:
    """Rows of each layer's cache: N + M + L before layer k, M + L from it on."""
    short = parameters.registers + text
    return [short + visual if layer < parameters.drop_layer else short for layer in range(layers)]


def layer_flops(rows: int, width: int, ffn: int) -> int:
    """Operations of a layer's prefill, as FastV counts them: 4nd² + 2n²d + 2ndm."""
    return 4 * rows * width**2 + 2 * rows**2 * width + 2 * rows * width * ffn


def prefill_share(
    parameters: VictorParameters, visual: int, text: int, width: int = 4096, ffn: int = 11008, layers: int = 32
) -> float:
    """Operations of the prefill as a share of those without registers or drop; the shapes default to Vicuna-7B's."""
    rows = cache_rows(parameters, layers, visual, text)
    return sum(layer_flops(n, width, ffn) for n in rows) / (layers * layer_flops(visual + text, width, ffn))
