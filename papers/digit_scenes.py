"""Pictures with captions, made of real handwritten digits: four of them in a square. For want of captioned pictures."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sw_runtime.texts.packaged_data import handwritten_digits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = 4
"""In a scene, row by row."""

HELD_OUT = 5
"""One digit in so many is kept for scenes to judge by."""


@dataclass(frozen=True)
class Scenes:
    """Scenes and what is in them.

    Parameters
    ----------
    images
        float32 [n, 1, 16 · magnification, 16 · magnification], about zero mean and unit deviation.
    digits
        int64 [n, 4].
    """

    images: Tensor
    digits: Tensor

    def captions(self) -> list[str]:
        """In words: "the digits three, zero, nine and one"."""
        named = [[NAMES[digit] for digit in row] for row in self.digits.tolist()]
        return [f"the digits {', '.join(row[:-1])} and {row[-1]}" for row in named]

    def present(self) -> Tensor:
        """Whether each digit is anywhere in a scene: bool [n, 10]."""
        return torch.nn.functional.one_hot(self.digits, len(NAMES)).any(dim=1)


def draw_scenes(count: int, magnification: int, held_out: bool, seed: int) -> Scenes:
    """Scenes of digits drawn at random, from those kept for judging or from the others."""
    images, digits = handwritten_digits()
    judged = torch.arange(len(digits)) % HELD_OUT == 0
    images, digits = images[judged == held_out], digits[judged == held_out]
    chosen = torch.randint(len(digits), (count, DIGITS), generator=torch.Generator().manual_seed(seed))
    rows = images[chosen].view(count, 2, 2, 8, 8).transpose(2, 3).reshape(count, 1, 16, 16)
    large = rows.repeat_interleave(magnification, dim=2).repeat_interleave(magnification, dim=3)
    return Scenes((large - images.mean()) / images.std(), digits[chosen])
