"""Scenes that a question must look at twice: nine different handwritten digits in a square, and which follows which."""

from dataclasses import dataclass

import torch
from torch import Tensor

from papers.digit_scenes import HELD_OUT, NAMES
from sw_runtime.texts.packaged_data import handwritten_digits

SIDE = 3
"""Digits a side."""

PLACES = SIDE * SIDE

POINTS = 8
"""Of a digit, a side."""


@dataclass(frozen=True)
class Grids:
    """Scenes and what is in them.

    Parameters
    ----------
    images
        float32 [n, 1, 24, 24], about zero mean and unit deviation.
    digits
        Of each place, row by row, all different in a scene: int64 [n, 9].
    """

    images: Tensor
    digits: Tensor

    def pairs(self, places: Tensor, scenes: Tensor) -> tuple[Tensor, Tensor]:
        """The digits at places, int64 [m, L], of scenes, int64 [m], and those that follow them: int64 [m, L] each.

        Places are read row by row; behind the last comes the first.
        """
        digits = self.digits[scenes]
        return digits.gather(1, places), digits.gather(1, (places + 1) % PLACES)

    def first(self, count: int) -> "Grids":
        """So many of them."""
        return Grids(self.images[:count], self.digits[:count])


def draw_grids(count: int, held_out: bool, seed: int) -> Grids:
    """Scenes drawn at random, of digits that are kept for judging or of the others."""
    images, digits = handwritten_digits()
    judged = torch.arange(len(digits)) % HELD_OUT == 0
    images, digits = images[judged == held_out], digits[judged == held_out]
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.rand(count, len(NAMES), generator=generator).argsort(dim=1)[:, :PLACES]
    written, order = digits.bincount(minlength=len(NAMES)), digits.argsort(stable=True)
    first = written.cumsum(dim=0) - written  # where each digit's pictures begin in that order
    nth = (torch.rand(count, PLACES, generator=generator, dtype=torch.float64) * written[wanted]).long()
    points = images[order[first[wanted] + nth]].view(count, SIDE, SIDE, POINTS, POINTS)
    rows = points.transpose(2, 3).reshape(count, 1, SIDE * POINTS, SIDE * POINTS)
    return Grids((rows - images.mean()) / images.std(), wanted)
