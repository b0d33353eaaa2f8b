import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.victor import Prompt
from golden_models.victor import best_of_image as golden_best_of_image
from golden_models.victor import outside_images as golden_outside_images
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.victor.on_device import best_of_image, outside_images

ROUTER = RouterParameters(keys=64, slots=4, sets=1, ways=1)
IMAGES = ((3, 10), (20, 9))
PROMPT = Prompt(torch.zeros(40, 8), IMAGES)


def test_a_device_drops_every_image() -> None:
    kept = outside_images(EmulatedDevice(router=ROUTER), 40, IMAGES)(None)
    assert kept.nonzero().flatten().tolist() == [*range(3), *range(13, 20), *range(29, 40)]
    assert torch.equal(kept, golden_outside_images(PROMPT)(None))
    assert outside_images(EmulatedDevice(router=ROUTER), 5, ())(None).all()


@pytest.mark.parametrize("keep", [0, 3, 19])
def test_a_device_keeps_the_best_of_the_images(keep: int) -> None:
    attention = torch.randn(4, 40, 40, generator=torch.Generator().manual_seed(keep)).softmax(dim=-1)
    ours = best_of_image(EmulatedDevice(router=ROUTER), 40, IMAGES, keep)(attention)
    assert torch.equal(ours, golden_best_of_image(PROMPT, keep)(attention))
    assert int(ours.sum()) == 21 + keep


def test_a_device_has_nothing_to_rank_by_before_any_layer() -> None:
    with pytest.raises(ValueError, match="FastV ranks by attention; drop behind at least one layer"):
        best_of_image(EmulatedDevice(router=ROUTER), 40, IMAGES, 1)(None)
