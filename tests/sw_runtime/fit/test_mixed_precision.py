"""Bits go where errors cost most."""

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.presets import mixed_formats
from sw_runtime.fit.covariance import input_statistics
from sw_runtime.fit.feedback import inverse_factor
from sw_runtime.fit.mixed_precision import Sensitivity, choose_formats, measure_sensitivities

FORMATS = mixed_formats("scaled-4bit")

LAYERS = {
    "deaf": Sensitivity(0.1, 64, 96),
    "usual": Sensitivity(1.0, 64, 96),
    "keen": Sensitivity(30.0, 64, 96),
    "large": Sensitivity(1.0, 256, 96),
}


def bits_of(formats: dict[str, str]) -> float:
    weights = sum(layer.rows * layer.columns for layer in LAYERS.values())
    return sum(LAYERS[name].bits(format) for name, format in formats.items()) / weights


@pytest.mark.parametrize("bits", [2.3, 2.6, 3.0, 3.25, 3.5, 4.1])
def test_the_budget_is_kept(bits: float) -> None:
    assert bits_of(choose_formats(LAYERS, bits, FORMATS)) <= bits


def test_the_ends_of_the_range_leave_no_choice() -> None:
    for format in ("scaled-4bit", "scaled-2bit"):
        assert set(choose_formats(LAYERS, bits_of(dict.fromkeys(LAYERS, format)), FORMATS).values()) == {format}


def test_the_keenest_layer_a_bit_is_served_first() -> None:
    formats = choose_formats(LAYERS, 2.6, FORMATS)
    assert formats["keen"] == "scaled-4bit"
    assert FORMATS.index(formats["usual"]) > FORMATS.index(formats["large"])
    assert formats["deaf"] == "scaled-2bit"


@pytest.mark.parametrize("bits", [2.5, 3.1, 3.6])
def test_the_expected_divergence_is_near_the_least(bits: float) -> None:
    """Greedy leaves at most the last step's bits unspent."""

    def divergence(formats: dict[str, str]) -> float:
        return sum(LAYERS[name].cost(format) for name, format in formats.items())

    every = [dict(zip(LAYERS, choice, strict=True)) for choice in product(FORMATS, repeat=len(LAYERS))]
    least = min(divergence(formats) for formats in every if bits_of(formats) <= bits)
    assert divergence(choose_formats(LAYERS, bits, FORMATS)) <= 1.5 * least


def test_the_formats_given_are_those_that_are_mixed() -> None:
    trellis = mixed_formats("trellis-3bit")
    assert set(choose_formats(LAYERS, 3.0, trellis).values()) <= set(trellis)


def test_half_bits_are_taken_where_they_are_the_better_steps() -> None:
    def divergence(formats: dict[str, str]) -> float:
        return sum(LAYERS[name].cost(format) for name, format in formats.items())

    trellis = mixed_formats("trellis-4bit")
    whole = tuple(format for format in trellis if ".5" not in format)
    assert len(trellis) == len(whole) + 2
    for bits in (2.4, 3.2, 3.7):
        found = choose_formats(LAYERS, bits, trellis)
        assert {"trellis-2.5bit", "trellis-3.5bit"} & set(found.values())
        assert bits_of(found) <= bits
        assert divergence(found) < divergence(choose_formats(LAYERS, bits, whole))


@pytest.mark.parametrize("bits", [1.5, 6.0])
def test_a_budget_out_of_the_formats_reach_is_refused(bits: float) -> None:
    with pytest.raises(InputError, match=rf"bits must be from 2\.\d+ to 4\.\d+ for these layers, .*, not {bits:g}"):
        choose_formats(LAYERS, bits, FORMATS)


class Tiny(nn.Module):
    """Logits of the token before, through one layer: gradients are known in closed form."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(6, 8)
        self.head = nn.Linear(8, 6, bias=False)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        return SimpleNamespace(logits=self.head(self.embedding(input_ids)))


def test_sensitivity_is_the_fisher_information_times_what_feedback_leaves() -> None:
    model, windows = Tiny(), torch.arange(2048).view(4, 512) % 6
    found = measure_sensitivities(model, windows, ["head"])["head"]
    with torch.no_grad():
        hidden = model.embedding(windows)
        probabilities = model.head(hidden).softmax(dim=-1)
        # the gradient is onehot - p, its mean square p (1 - p)
        gradients = (probabilities * (1 - probabilities)).flatten(0, 1).mean(dim=0).double()
    left = inverse_factor(input_statistics(hidden).calibration.capped).diagonal().pow(-2).sum()
    expected = 0.5 * left * (gradients * model.head.weight.detach().double().square().mean(dim=1)).sum()
    assert found.divergence == pytest.approx(expected.item(), rel=0.1)  # tokens are drawn
    assert (found.rows, found.columns) == (6, 8)


def test_measuring_leaves_the_model_as_it_was() -> None:
    model, windows = Tiny(), torch.arange(64).view(4, 16) % 6
    model.embedding.weight.requires_grad_(False)
    measure_sensitivities(model, windows, ["head"])
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.head._backward_hooks
    assert torch.equal(model.head.weight, Tiny().head.weight)
