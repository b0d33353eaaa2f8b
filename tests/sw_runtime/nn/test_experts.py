"""Mixtures of experts in one tensor, taken apart into a layer per matrix."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralExperts

from sw_runtime.nn.experts import (
    SeparateExperts,
    by_mixture,
    fused_experts,
    mixture_of,
    taken_apart,
    with_separate_experts,
)
from tests.sw_runtime.compress.families import FAMILIES

NAMES = ["mixtral", "gpt-oss", "jamba"]


class Louder(MixtralExperts):
    """Computes otherwise than its tensors say."""

    def forward(self, *inputs: Tensor) -> Tensor:
        found: Tensor = 2 * super().forward(*inputs)
        return found


Louder.forward.__wrapped__ = MixtralExperts.forward  # type: ignore[attr-defined]


def experts(kind: type[nn.Module]) -> Any:
    torch.manual_seed(0)
    config = MixtralConfig(hidden_size=16, intermediate_size=8, num_local_experts=4)
    config._experts_implementation = "eager"
    found = kind(config)
    for parameter in found.parameters():
        nn.init.normal_(parameter)
    return found


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(torch.arange(3, 20)[None]).logits
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_separate_experts_answers_the_same(name: str) -> None:
    model = FAMILIES[name].build()
    separate = with_separate_experts(model, None)
    assert fused_experts(model)
    assert not fused_experts(separate)
    torch.testing.assert_close(logits(separate), logits(model))


def test_the_model_itself_is_left_as_it_is_and_shares_its_tensors() -> None:
    model = FAMILIES["gpt-oss"].build()
    before = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    (fused,) = fused_experts(model).values()
    separate = with_separate_experts(model, None)
    layer = separate.get_submodule("model.layers.0.mlp.experts.2.gate_up")
    assert layer.weight.data_ptr() == fused.gate_up_proj[2].data_ptr()
    assert torch.equal(layer.weight, fused.gate_up_proj[2].T)
    assert torch.equal(layer.bias, fused.gate_up_proj_bias[2])
    assert separate.lm_head is model.lm_head
    assert {name: tensor.data_ptr() for name, tensor in model.state_dict().items()} == before


@pytest.mark.parametrize("name", ["llama", "mixtral"])
def test_a_model_none_of_whose_experts_are_chosen_is_the_same_object(name: str) -> None:
    model = FAMILIES[name].build()
    assert with_separate_experts(model, "self_attn") is model


def test_only_the_experts_that_are_chosen_are_computed() -> None:
    separate = SeparateExperts(experts(MixtralExperts))
    called = []
    for index, expert in enumerate(separate):
        expert.down.register_forward_hook(lambda *_, index=index: called.append(index))
    separate(torch.randn(3, 16), torch.tensor([[0, 2], [2, 0], [0, 2]]), torch.full((3, 2), 0.5))
    assert called == [0, 2]


def test_experts_that_compute_something_else_stay_fused() -> None:
    assert taken_apart(experts(MixtralExperts)) is not None
    assert taken_apart(experts(Louder)) is None
    normed = experts(MixtralExperts)
    normed.norm = nn.RMSNorm(16)
    assert taken_apart(normed) is None
    assert taken_apart(nn.Linear(3, 5)) is None


def test_a_layers_name_says_its_mixture() -> None:
    assert mixture_of("layers.3.mlp.experts.12.gate_up") == ("layers.3.mlp.experts", "gate_up")
    assert mixture_of("layers.3.mlp.down") is None
    names = ["a.0.up", "a.0.down", "b", "a.1.up"]
    assert by_mixture(names) == {("a", "up"): ["a.0.up", "a.1.up"], ("a", "down"): ["a.0.down"]}
