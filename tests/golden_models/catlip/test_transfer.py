import pytest
import torch

from golden_models.catlip.transfer import TransferParameters, nearest_class, transfer_init
from sw_runtime.texts.packaged_data import wordnet


def synset(word: str) -> int:
    found = wordnet().first_synset(word)
    assert found is not None
    return found


CLASSES = [synset(word) for word in ("cat", "car", "dog")]
WEIGHT, BIAS = torch.randn(3, 5), torch.randn(3)


def transferred(labels: list[list[str]], alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    synsets = [[synset(word) for word in words] for words in labels]
    parameters = TransferParameters(alpha)
    return transfer_init(WEIGHT, BIAS, CLASSES, synsets, wordnet(), parameters, torch.Generator().manual_seed(0))


def test_the_same_synset_hands_its_row_over() -> None:
    weight, bias = transferred([["dog"], ["cat"]], 1.0)
    assert torch.equal(weight, WEIGHT[[2, 0]])
    assert torch.equal(bias, BIAS[[2, 0]])


def test_a_label_of_several_synsets_has_the_mean_of_those_that_are_found() -> None:
    weight, bias = transferred([["dog", "car", "moon"]], 1.0)
    torch.testing.assert_close(weight[0], (WEIGHT[2] + WEIGHT[1]) / 2)
    torch.testing.assert_close(bias[0], (BIAS[2] + BIAS[1]) / 2)


def test_alpha_decides_how_like_a_class_must_be() -> None:
    puppy, kitten = synset("puppy"), synset("kitten")
    assert nearest_class(puppy, CLASSES, wordnet(), 0.5) == 2
    assert nearest_class(puppy, CLASSES, wordnet(), 0.6) is None
    assert nearest_class(kitten, [], wordnet(), 0.1) is None
    assert nearest_class(synset("dog"), [CLASSES[2], CLASSES[2]], wordnet(), 1.0) == 0


def test_rows_that_nothing_stands_for_are_drawn_and_repeat_themselves() -> None:
    first, second = (transferred([["moon"], ["dog"], []], 1.0) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert first[0][0].abs().max() < 0.1
    assert not torch.equal(first[0][0], first[0][2])
    assert first[1].tolist() == [0, BIAS[2].item(), 0]


@pytest.mark.parametrize("alpha", [0.0, -1.0, 1.1])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=f"alpha must be above 0 and at most 1, not {alpha}"):
        TransferParameters(alpha)
