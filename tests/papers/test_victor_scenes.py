import pytest
import torch

from papers.victor_scenes import draw_grids
from sw_runtime.texts.packaged_data import handwritten_digits


@pytest.mark.parametrize("held_out", [True, False])
def test_a_scene_is_nine_different_real_digits_row_by_row_of_its_own_part(held_out: bool) -> None:
    images, digits = handwritten_digits()
    own = (torch.arange(len(digits)) % 5 == 0) == held_out
    images, digits = images[own], digits[own]
    drawn = draw_grids(20, held_out, seed=0)
    ninths = drawn.images.view(20, 3, 8, 3, 8).transpose(2, 3).reshape(-1, 64)
    normed = ((images - images.mean()) / images.std()).view(-1, 64)
    distances = torch.cdist(ninths, normed, compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.amin(dim=1).max() == 0
    assert torch.equal(digits[distances.argmin(dim=1)], drawn.digits.flatten())
    assert all(len(set(row)) == 9 for row in drawn.digits.tolist())


def test_every_picture_of_a_digit_is_drawn_and_every_digit_stands_everywhere() -> None:
    drawn = draw_grids(3000, held_out=True, seed=0)
    assert len(drawn.images.view(-1, 3, 8, 3, 8).transpose(2, 3).reshape(-1, 64).unique(dim=0)) == 360
    for place in drawn.digits.T:
        assert place.bincount(minlength=10).min() > 200


def test_grids_repeat_themselves_and_differ_by_seed() -> None:
    one, same, other = (draw_grids(5, held_out=False, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.digits, other.digits)
    assert torch.equal(one.first(2).images, one.images[:2])
    assert torch.equal(one.first(2).digits, one.digits[:2])


def test_a_digit_is_followed_by_the_next_one_and_the_last_by_the_first() -> None:
    drawn = draw_grids(3, held_out=False, seed=0)
    asked, following = drawn.pairs(torch.tensor([[0, 8], [2, 5]]), torch.tensor([2, 1]))
    digits = drawn.digits.tolist()
    assert asked.tolist() == [[digits[2][0], digits[2][8]], [digits[1][2], digits[1][5]]]
    assert following.tolist() == [[digits[2][1], digits[2][0]], [digits[1][3], digits[1][6]]]
