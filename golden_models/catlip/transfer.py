"""CatLIP's Transfer Init (arXiv 2404.15653 §4.2): a new task's classifier starts with the rows of like synsets.

The paper does not state α; the code leaves the method out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from formats.errors import InputError


@dataclass(frozen=True)
class TransferParameters:
    """Hyper-parameters.

    Parameters
    ----------
    alpha
        α: least path similarity, above 0 and at most 1, at which a class stands for a label. 1 is the
        same synset.
    std
        Standard deviation of rows that nothing stands for; their biases are 0.

    Raises
    ------
    InputError
        If α is not as above.
    """

    alpha: float = 1.0
    std: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise InputError(f"alpha must be above 0 and at most 1, not {self.alpha}")


class Likeness(Protocol):
    """What transfer needs of WordNet."""

    def path_similarity(self, one: int, other: int) -> float:
        """1 / (1 + steps over hypernyms between two synsets), 1 for the same."""


def nearest_class(synset: int, classes: Sequence[int], nouns: Likeness, alpha: float) -> int | None:
    """The class most like a synset, the first among equals; None if none is at least α."""
    similarities = [nouns.path_similarity(synset, other) for other in classes]
    best = max(range(len(classes)), key=similarities.__getitem__, default=None)
    return best if best is not None and similarities[best] >= alpha else None


def transfer_init(
    weight: Tensor,
    bias: Tensor,
    classes: Sequence[int],
    labels: Sequence[Sequence[int]],
    nouns: Likeness,
    parameters: TransferParameters,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Rows for new labels, copied from the classes that stand for them.

    Parameters
    ----------
    weight, bias
        Of the pre-trained classifier: [C, D], [C].
    classes
        Synset of each of its classes.
    labels
        Synsets of each new label; several have the mean of their rows.
    nouns
        WordNet, for likeness.
    parameters
        Hyper-parameters.
    generator
        Draws the rows of labels that no class stands for.

    Returns
    -------
    Weight [labels, D] and bias [labels].
    """
    rows, biases = [], []
    for synsets in labels:
        found = [nearest_class(synset, classes, nouns, parameters.alpha) for synset in synsets]
        stand_in = [index for index in found if index is not None]
        if stand_in:
            rows.append(weight[stand_in].mean(dim=0))
            biases.append(bias[stand_in].mean())
        else:
            rows.append(parameters.std * torch.randn(weight.shape[1], generator=generator))
            biases.append(torch.zeros(()))
    return torch.stack(rows), torch.stack(biases)
