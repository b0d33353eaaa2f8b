import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaForCausalLM

from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.decoder import Decoder, DecoderLayer
from golden_models.dynamoe import (
    DifficultyRouter,
    DynaMoEParameters,
    active_parameters,
    by_routers,
    choose,
    expert_output,
    expert_widths,
    importance,
    labels,
    likeness,
    loss,
    nested_logits,
    prefix,
    reorder,
    routed,
    router_loss,
    router_parameters,
)
from golden_models.layers import swiglu
from golden_models.seedlm.codec import decode
from tests.golden_models.test_decoder import TOKENS
from tests.models import tiny_llama
from tests.sw_runtime.device.matrices import random_matrix

MISTRAL = {"layers": 32, "dim": 4096, "hidden": 14336}
MISTRAL_TOTAL = 7_241_732_096
PARAMETERS = DynaMoEParameters(router_width=8)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return tiny_llama()


@pytest.fixture(scope="module")
def decoder(model: LlamaForCausalLM) -> Decoder:
    return Decoder.from_transformers(model)


@pytest.fixture(scope="module")
def layer(decoder: Decoder) -> DecoderLayer:
    return decoder.layers[0]


def inputs(tokens: int = 9) -> Tensor:
    return torch.randn(tokens, 64, generator=torch.Generator().manual_seed(2))


def outputs_of(x: Tensor, layer: DecoderLayer) -> Tensor:
    return torch.stack([expert_output(x, layer, width) for width in expert_widths(100, 4)])


def test_a_quarter_of_mistral_is_3584_neurons() -> None:
    assert expert_widths(14336, 4) == [3584, 7168, 10752, 14336]


def test_widths_are_rounded_down_and_end_with_all_neurons() -> None:
    assert expert_widths(10, 4) == [2, 5, 7, 10]


def test_mlps_are_most_of_mistral() -> None:
    a_layer = 3 * MISTRAL["dim"] * MISTRAL["hidden"]
    assert a_layer == 176_160_768
    assert round(100 * 32 * a_layer / MISTRAL_TOTAL, 1) == 77.8


def test_active_parameters_of_mistral() -> None:
    active = [active_parameters(MISTRAL_TOTAL, **MISTRAL, width=width) for width in expert_widths(14336, 4)]
    assert [round(parameters / 1e9, 2) for parameters in active] == [3.01, 4.42, 5.83, 7.24]


def test_routers_of_mistral_are_half_a_percent() -> None:
    assert router_parameters(32, 4096, 256, 4) == 33_587_200
    assert router_parameters(32, 4096, 256, 4, biases=True) == 33_595_520
    assert round(100 * 33_587_200 / MISTRAL_TOTAL, 2) == 0.46


def test_router_parameters_are_those_of_the_module() -> None:
    router = DifficultyRouter(64, PARAMETERS)
    assert router_parameters(1, 64, 8, 4) == sum(weight.numel() for weight in router.parameters())


def test_the_last_expert_is_the_dense_mlp_bit_for_bit(layer: DecoderLayer) -> None:
    x = inputs()
    assert torch.equal(expert_output(x, layer, 100), swiglu(x, layer.gate, layer.up, layer.down))


def test_reordering_changes_an_output_by_rounding_alone(model: LlamaForCausalLM, layer: DecoderLayer) -> None:
    x = inputs()
    reordered = reorder(layer, importance(x, layer))
    assert not torch.equal(reordered.gate, layer.gate)
    expected = model.model.layers[0].mlp(x).detach()
    torch.testing.assert_close(expert_output(x, reordered, 100), expected, atol=1e-6, rtol=1e-4)


def test_the_loudest_neuron_comes_first_and_the_first_among_equals(layer: DecoderLayer) -> None:
    loudness = torch.zeros(100)
    loudness[[7, 40, 3]] = torch.tensor([1.0, 1.0, 5.0])
    reordered = reorder(layer, loudness)
    order = [3, 7, 40, 0, 1, 2, 4]
    assert torch.equal(reordered.up[:7], layer.up[order])
    assert torch.equal(reordered.down[:, :7], layer.down[:, order])


def test_importance_is_what_reaches_down_proj(model: LlamaForCausalLM, layer: DecoderLayer) -> None:
    seen: list[Tensor] = []
    hook = model.model.layers[0].mlp.down_proj.register_forward_pre_hook(lambda _, values: seen.append(values[0]))
    model.model.layers[0].mlp(inputs())
    hook.remove()
    torch.testing.assert_close(importance(inputs(), layer), seen[0].detach().abs().sum(dim=0))


def test_an_expert_adds_only_its_own_neurons_to_the_one_before(layer: DecoderLayer) -> None:
    x = inputs()
    for smaller, larger in ((25, 50), (50, 75), (75, 100)):
        own = swiglu(x, layer.gate[smaller:larger], layer.up[smaller:larger], layer.down[:, smaller:larger])
        torch.testing.assert_close(expert_output(x, layer, larger), expert_output(x, layer, smaller) + own)


def test_likeness_is_the_cosine_or_the_share_of_the_dense_output() -> None:
    full, half, other = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.5, 2.0]]), torch.tensor([[4.0, -3.0]])
    outputs = torch.stack([other, half, full])
    torch.testing.assert_close(likeness(outputs), torch.tensor([[0.0, 1.0, 1.0]]))
    torch.testing.assert_close(likeness(outputs, "projection"), torch.tensor([[0.0, 0.5, 1.0]]))


def test_cosine_is_that_of_torch(layer: DecoderLayer) -> None:
    outputs = outputs_of(inputs(), layer)
    expected = torch.nn.functional.cosine_similarity(outputs, outputs[-1:], dim=-1).T
    torch.testing.assert_close(likeness(outputs), expected)


def test_a_label_is_the_smallest_expert_strictly_above_theta() -> None:
    likenesses = torch.tensor([[0.9, 0.95, 0.99, 1.0], [0.91, 0.2, 0.99, 1.0], [0.1, 0.2, 0.3, 1.0]])
    assert labels(likenesses, 0.9).tolist() == [1, 0, 3]


def test_the_last_expert_is_enough_even_where_rounding_or_a_zero_output_says_otherwise() -> None:
    likenesses = torch.tensor([[0.1, 0.2, 0.3, 1 - 2**-24], [math.nan] * 4])
    assert labels(likenesses, 1 - 2**-25).tolist() == [3, 3]


def test_labels_grow_with_theta(layer: DecoderLayer) -> None:
    likenesses = likeness(outputs_of(inputs(50), layer))
    grown = [labels(likenesses, theta) for theta in (0.5, 0.8, 0.9, 0.95, 0.99)]
    for smaller, larger in pairwise(grown):
        assert bool((smaller <= larger).all())
    assert not torch.equal(grown[0], grown[-1])


@pytest.mark.parametrize("activation", ["linear", "silu"])
def test_a_router_is_two_matrices(activation: str) -> None:
    router = DifficultyRouter(64, replace(PARAMETERS, router_activation=activation))
    inner = inputs() @ router.down.weight.T
    inner = torch.nn.functional.silu(inner) if activation == "silu" else inner
    torch.testing.assert_close(router(inputs()), inner @ router.up.weight.T)


def test_router_loss_is_the_cross_entropy_of_every_experts_being_enough() -> None:
    logits = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 0.25, -1.0, 2.0]])
    targets = torch.tensor([[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    probability = 1 / (1 + (-logits).exp())
    expected = -(targets * probability.log() + (1 - targets) * (1 - probability).log()).mean()
    torch.testing.assert_close(router_loss(logits, torch.tensor([1, 3])), expected)


def test_the_loss_weighs_language_against_the_mean_of_routers() -> None:
    parameters = DynaMoEParameters(language_weight=2.0, router_weight=10.0)
    assert loss(torch.tensor(3.0), [torch.tensor(0.5), torch.tensor(0.25)], parameters) == 6 + 3.75


GRID = st.integers(-(1 << 20), 1 << 20)
ROWS = st.lists(st.lists(GRID, min_size=4, max_size=4), min_size=1, max_size=8)


@given(ROWS, st.integers(0, 1000))
def test_choice_is_the_smallest_expert_above_theta_else_the_likeliest(rows: list[list[int]], thousandths: int) -> None:
    theta = thousandths / 1000
    bound = math.log(theta / (1 - theta)) if 0 < theta < 1 else math.inf if theta else -math.inf
    logits = torch.tensor(rows, dtype=torch.float64) / (1 << 16)
    chosen, fallback = choose(logits, theta)
    for row, expert, none in zip(logits.tolist(), chosen.tolist(), fallback.tolist(), strict=True):
        above = [e for e in range(4) if row[e] > bound]
        assert none == (not above)
        assert expert == (above[0] if above else row.index(max(row)))


def test_a_logit_equal_to_theta_does_not_pass() -> None:
    chosen, fallback = choose(torch.tensor([[0.0, 2**-16, 1.0], [0.0, 0.0, 0.0]]), 0.5)
    assert chosen.tolist() == [1, 0]
    assert fallback.tolist() == [False, True]


def test_theta_0_takes_the_smallest_expert_and_theta_1_the_likeliest() -> None:
    logits = torch.tensor([[-100.0, 3.0, 3.0, 1.0], [5.0, 6.0, 7.0, -2.0]])
    assert choose(logits, 0.0)[0].tolist() == [0, 0]
    assert choose(logits, 1.0)[0].tolist() == [1, 2]


def test_each_token_goes_through_its_own_expert(layer: DecoderLayer) -> None:
    x = inputs()
    chosen = torch.tensor([0, 3, 1, 2, 3, 0, 2, 1, 1])
    outputs = outputs_of(x, layer)
    torch.testing.assert_close(routed(x, layer, chosen, 4), outputs[chosen, torch.arange(9)])


def test_with_every_token_at_the_last_expert_the_decoder_is_that_of_transformers(
    model: LlamaForCausalLM, decoder: Decoder
) -> None:
    logits, chosen = nested_logits(decoder, lambda _, x: torch.full((len(x),), 3), 4, TOKENS)
    with torch.inference_mode():
        torch.testing.assert_close(logits, model(TOKENS[None]).logits[0])
    assert chosen.tolist() == [[3] * 6] * 3


def test_routers_choose_layer_by_layer(decoder: Decoder) -> None:
    torch.manual_seed(3)
    routers = [DifficultyRouter(64, PARAMETERS) for _ in decoder.layers]
    with torch.inference_mode():
        _, chosen = nested_logits(decoder, by_routers(routers, 0.5), 4, TOKENS)
        _, all_smallest = nested_logits(decoder, by_routers(routers, 0.0), 4, TOKENS)
    assert chosen.shape == (3, 6)
    assert len(chosen.unique()) > 1
    assert not all_smallest.any()


@pytest.mark.parametrize("name", ["scaled-4bit", "paper-4bit"])
def test_a_prefix_of_seeds_stands_for_the_prefix_of_weights(name: str) -> None:
    matrix = random_matrix(name, 12, 40, 1)
    assert isinstance(matrix, EncodedMatrix)
    cut = prefix(matrix, 5, 16)
    assert (cut.rows, cut.columns) == (5, 16)
    assert torch.equal(decode(cut), decode(matrix)[:5, :16])


def test_all_columns_are_a_prefix_even_where_a_block_is_not_full() -> None:
    matrix = random_matrix("paper-3bit", 4, 40, 1)
    assert isinstance(matrix, EncodedMatrix)
    assert torch.equal(decode(prefix(matrix, 2, 40)), decode(matrix)[:2])
    assert torch.equal(decode(prefix(matrix, 4, 24)), decode(matrix)[:, :24])


def test_a_quarter_of_mistral_ends_where_blocks_of_8_end_and_inside_one_of_12() -> None:
    assert not any(width % PRESETS["scaled-4bit"].block_size for width in expert_widths(14336, 4))
    assert expert_widths(14336, 4)[0] % PRESETS["paper-3bit"].block_size


def test_a_prefix_that_ends_inside_a_block_is_refused() -> None:
    matrix = random_matrix("scaled-4bit", 4, 40, 1)
    assert isinstance(matrix, EncodedMatrix)
    with pytest.raises(ValueError, match="20 columns end inside a block of 8; choose experts whose widths"):
        prefix(matrix, 4, 20)


@pytest.mark.parametrize(("rows", "columns"), [(0, 8), (5, 8), (4, 0), (4, 48)])
def test_a_prefix_beyond_the_matrix_is_refused(rows: int, columns: int) -> None:
    matrix = random_matrix("scaled-4bit", 4, 40, 1)
    assert isinstance(matrix, EncodedMatrix)
    with pytest.raises(ValueError, match=f"a matrix 4 x 40 has no prefix {rows} x {columns}"):
        prefix(matrix, rows, columns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"experts": 0}, "experts and router_width must be at least 1, not 0 and 256"),
        ({"theta_label": 1.0}, "theta_label must be below 1, not 1.0"),
        ({"theta_run": 1.5}, "theta_run is a probability, 0 to 1, not 1.5"),
        ({"likeness": "distance"}, "likeness must be 'cosine' or 'projection', not 'distance'"),
        ({"router_activation": "relu"}, "router_activation must be 'linear' or 'silu', not 'relu'"),
    ],
)
def test_impossible_parameters_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DynaMoEParameters(**arguments)
