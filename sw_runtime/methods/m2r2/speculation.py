"""Self-speculation: the fast stream drafts a few tokens, the slow one verifies them all in one pass.

The tokens are those of plain greedy decoding, whatever the adapters are. As in LayerSkip the hidden
states at the exit are kept, so that verification runs the remaining layers only; and the drafts'
slow streams have run that far anyway, since the fast one attends to their keys and values.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.errors import InputError
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.residuals import Adapter, read_prompt, run_both, run_slow

Accept = Callable[[Tensor, Tensor], tuple[int, int]]
"""Drafts [g] and the target's choices [g + 1] → leading drafts that agree, and the token that follows them."""


@dataclass(frozen=True)
class Round:
    """Drafts and what became of them.

    Parameters
    ----------
    drafts, targets
        int64 [g], [g + 1].
    accepted
        Leading drafts that agree.
    tokens
        The accepted ones and the one that follows them.
    """

    drafts: Tensor
    targets: Tensor
    accepted: int
    tokens: list[int]


def greedy(decoder: Decoder, prompt: Tensor, new_tokens: int) -> list[int]:
    """The likeliest tokens, one at a time by the slow stream alone: int64 [T], T at least 1."""
    layers = range(len(decoder.layers))
    caches, tokens = read_prompt(decoder, prompt), [int(prompt[-1])]
    for position in range(len(prompt) - 1, len(prompt) - 1 + new_tokens):
        embedded = decoder.embed(torch.tensor(tokens[-1:]))
        final = run_slow(decoder, embedded, torch.tensor([position]), caches, layers)
        tokens.append(int(decoder.logits(final)[0].argmax()))
    return tokens[1:]


def speculation_rounds(
    decoder: Decoder, adapters: Sequence[Adapter], prompt: Tensor, drafts: int, accept: Accept
) -> Iterator[Round]:
    """The same tokens, drafted after as many layers as there are adapters: endless rounds.

    Parameters
    ----------
    adapters
        Of the first E layers; the fast stream leaves after them.
    prompt
        int64 [T], T at least 1.
    drafts
        Tokens drafted a round, g.
    accept
        Who compares.

    Raises
    ------
    InputError
        If no draft is asked for, or no layer is left to verify with.
    """
    if drafts < 1:
        raise InputError(f"a round drafts at least one token, not {drafts}")
    exit_layer, layers = len(adapters), len(decoder.layers)
    if not 1 <= exit_layer < layers:
        raise InputError(f"drafts leave after layer 1 to {layers - 1}, not {exit_layer}")
    caches, last, start = read_prompt(decoder, prompt), int(prompt[-1]), len(prompt) - 1
    while True:
        chain, at_exit = [last], []
        for position in range(start, start + drafts):
            streams = run_both(decoder, adapters, torch.tensor(chain[-1:]), torch.tensor([position]), caches)
            at_exit.append(streams.slow[-1])
            chain.append(int(decoder.logits(streams.fast[-1])[0].argmax()))
        final = decoder.embed(torch.tensor(chain[-1:]))
        at_exit.append(run_slow(decoder, final, torch.tensor([start + drafts]), caches, range(exit_layer)))
        positions = torch.arange(start, start + drafts + 1)
        verified = run_slow(decoder, torch.cat(at_exit), positions, caches, range(exit_layer, layers))
        targets = decoder.logits(verified).argmax(dim=-1)
        accepted, last = accept(torch.tensor(chain[1:]), targets)
        yield Round(torch.tensor(chain[1:]), targets, accepted, [*chain[1 : 1 + accepted], last])
        start += accepted + 1  # what the refused drafts wrote is replaced before it is seen
