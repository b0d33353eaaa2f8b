import pytest
import torch

from papers.digit_scenes import Scenes, draw_scenes
from sw_runtime.texts.packaged_data import handwritten_digits


def quarters_of(scenes: Scenes) -> torch.Tensor:
    """[4 n, 64] of a scene of 16 x 16 points."""
    return scenes.images.view(-1, 2, 8, 2, 8).transpose(2, 3).reshape(-1, 64)


def normed_digits(held_out: bool) -> tuple[torch.Tensor, torch.Tensor]:
    images, digits = handwritten_digits()
    chosen = (torch.arange(len(images)) % 5 == 0) == held_out
    images = images[chosen]
    return ((images - images.mean()) / images.std()).view(-1, 64), digits[chosen]


@pytest.mark.parametrize("held_out", [True, False])
def test_a_scene_is_four_real_digits_row_by_row_of_its_own_part(held_out: bool) -> None:
    scenes, (images, digits) = draw_scenes(20, 1, held_out, seed=0), normed_digits(held_out)
    distances = torch.cdist(quarters_of(scenes), images, compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.amin(dim=1).max() == 0
    assert torch.equal(digits[distances.argmin(dim=1)], scenes.digits.flatten())


def test_no_digit_is_in_both_parts() -> None:
    parts = [normed_digits(held_out)[0] for held_out in (False, True)]
    assert sum(map(len, parts)) == 1797
    assert [len(part) for part in parts] == [1437, 360]


def test_magnified_scenes_repeat_their_points() -> None:
    small, large = (draw_scenes(2, magnification, held_out=False, seed=3).images for magnification in (1, 4))
    assert large.shape == (2, 1, 64, 64)
    assert torch.equal(large[..., ::4, 1::4], small)


def test_scenes_repeat_themselves_and_differ_by_seed() -> None:
    one, same, other = (draw_scenes(5, 1, held_out=False, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.digits, other.digits)


def test_captions_and_sets_name_the_digits() -> None:
    scenes = Scenes(torch.zeros(1, 1, 16, 16), torch.tensor([[3, 0, 9, 3]]))
    assert scenes.captions() == ["the digits three, zero, nine and three"]
    assert scenes.present().nonzero()[:, 1].tolist() == [0, 3, 9]
