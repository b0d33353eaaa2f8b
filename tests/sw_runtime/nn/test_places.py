"""Places that hold a matrix, and why other weights stay dense."""

import pytest
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from formats.errors import CheckpointError
from sw_runtime.nn.places import NOT_CHOSEN, Place, chosen_places, place_in, place_of, places, reason_dense
from tests.models import tiny_llama
from tests.sw_runtime.compress.families import FAMILIES


class SameProduct(nn.Linear):
    def forward(self, hidden: Tensor) -> Tensor:
        return hidden @ self.weight.T + self.bias


class Scaled(nn.Linear):
    def forward(self, hidden: Tensor) -> Tensor:
        return 2 * super().forward(hidden)


class TwoInputs(nn.Linear):
    def forward(self, hidden: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(hidden + other)


@pytest.mark.parametrize("module", [nn.Linear(3, 5), Conv1D(5, 3), SameProduct(3, 5)])
def test_a_place_gives_rows_and_columns_and_takes_other_weights(module: nn.Module) -> None:
    place = place_of("layer", module)
    assert place is not None
    assert (place.rows, place.columns) == (5, 3)
    before, inputs, new = place.parameter, torch.randn(4, 3), torch.randn(5, 3)
    place.put(new)
    assert place.bias is not None
    torch.testing.assert_close(module(inputs), inputs @ new.T + place.bias)
    place.put_back(before)
    assert module.weight is before


@pytest.mark.parametrize("module", [Scaled(3, 5), TwoInputs(3, 5), nn.Conv1d(3, 5, 1), nn.Embedding(5, 3), None])
def test_what_is_not_one_product_is_no_place(module: nn.Module | None) -> None:
    assert place_of("layer", module) is None


def test_a_pattern_chooses_places() -> None:
    model = tiny_llama(num_hidden_layers=1)
    assert len(chosen_places(model, None)) == len(places(model)) == 8
    assert list(chosen_places(model, "up_proj")) == ["model.layers.0.mlp.up_proj"]
    with pytest.raises(CheckpointError, match=r"no linear layer's name matches 'abacus'; the model has model.layers.0"):
        chosen_places(model, "abacus")


def test_a_tied_head_is_chosen_only_if_the_input_embedding_is_all_it_shares_with() -> None:
    assert "lm_head" in chosen_places(tiny_llama(num_hidden_layers=1, tie_word_embeddings=True), None)
    bert = FAMILIES["bert"].build()
    assert "cls.predictions.decoder" not in chosen_places(bert, None)
    assert reason_dense(bert, "cls.predictions.decoder.weight") == "shared with another layer"


def test_a_dense_weight_has_a_reason() -> None:
    model = FAMILIES["qwen3-moe"].build()
    layer = "model.layers.0"
    reasons = {
        "model.embed_tokens.weight": "embeddings, rows are looked up",
        "model.norm.weight": "vectors",
        f"{layer}.self_attn.q_proj.weight": NOT_CHOSEN,
        f"{layer}.mlp.gate.weight": "Qwen3MoeTopKRouter, no linear layer",
        f"{layer}.mlp.experts.down_proj": NOT_CHOSEN,
    }
    assert {name: reason_dense(model, name) for name in reasons} == reasons
    model.model.layers[0].mlp.experts.norm = nn.RMSNorm(64)  # what else such a class computes is not known
    fused = reason_dense(model, f"{layer}.mlp.experts.down_proj")
    assert fused == "experts fused in one tensor, Qwen3MoeExperts.down_proj"
    assert reason_dense(nn.Sequential(Scaled(3, 5)), "0.weight") == "Scaled, more than a product"


def test_a_place_is_found_by_its_name() -> None:
    module = nn.Linear(3, 5)
    assert place_in(nn.Sequential(module), "0") == Place("0", module)
