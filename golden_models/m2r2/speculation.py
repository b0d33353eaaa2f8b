"""Self-speculation: the fast stream drafts a few tokens, the slow one verifies them all.

The tokens are those of plain greedy decoding, whatever the adapters are. Everything is run anew for
every draft and every round.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter, run_both
from golden_models.router.prefix import accept_greedy


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
    """The likeliest tokens: int64 [T], T at least 1."""
    tokens = prompt.tolist()
    for _ in range(new_tokens):
        tokens.append(int(decoder(torch.tensor(tokens))[-1].argmax()))
    return tokens[len(prompt) :]


def speculation_rounds(decoder: Decoder, adapters: Sequence[Adapter], prompt: Tensor, drafts: int) -> Iterator[Round]:
    """The same tokens, drafted after as many layers as there are adapters: endless rounds.

    Parameters
    ----------
    adapters
        Of the first E layers; the fast stream leaves after them.
    prompt
        int64 [T], T at least 1.
    drafts
        Tokens drafted a round, g.
    """
    tokens = prompt.tolist()
    while True:
        drafted: list[int] = []
        for _ in range(drafts):
            fast = run_both(decoder, adapters, torch.tensor(tokens + drafted)).fast[-1]
            drafted.append(int(decoder.logits(fast)[-1].argmax()))
        targets = decoder(torch.tensor(tokens + drafted))[-drafts - 1 :].argmax(dim=-1)
        accepted, follows = accept_greedy(torch.tensor(drafted), targets)
        found = Round(torch.tensor(drafted), targets, accepted, [*drafted[:accepted], follows])
        yield found
        tokens += found.tokens
