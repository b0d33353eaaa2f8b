"""Training on windows of a long text: the steps that the small models of OpenELM and DynaMoE share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

Loss = Callable[[Any, Tensor], Tensor]
"""What a step makes smaller: of a model and windows of tokens, int64 [windows, length + 1]."""


def train_on_windows(
    model: Any,
    loss_of: Loss,
    tokens: Tensor,
    batch: int,
    length: int,
    steps: int,
    rate: float,
    seed: int,
    label: str,
    unit: str = "",
) -> None:
    """AdamW with one cycle of learning rate.

    Parameters
    ----------
    tokens
        The text, int64 [n].
    batch, length
        Windows of a step, and tokens of each.
    rate
        The highest learning rate.
    seed
        Of the windows' places.
    label, unit
        What the progress bar calls the run, and what it writes behind the loss.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    with tqdm(range(steps), desc=label, unit="step") as progress:
        for _ in progress:
            starts = torch.randint(len(tokens) - length, (batch,), generator=generator)
            windows = torch.stack([tokens[start : start + length + 1] for start in starts.tolist()])
            loss = loss_of(model, windows)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            progress.set_postfix_str(f"{loss.item():.2f}{unit}")
