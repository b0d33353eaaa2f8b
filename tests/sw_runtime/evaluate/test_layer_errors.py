import copy

import pytest
import torch

from sw_runtime.evaluate.layer_errors import layer_errors
from tests.sw_runtime.evaluate.models import WINDOWS, llama_to_quantise


def test_an_equal_model_has_no_errors() -> None:
    errors = layer_errors(llama_to_quantise(), llama_to_quantise(), WINDOWS)
    assert set(errors.values()) == {0.0}
    assert len(errors) == 2 * 7 + 1


def test_an_error_is_that_of_the_layers_outputs_on_the_originals_inputs() -> None:
    original = llama_to_quantise()
    changed = copy.deepcopy(original)
    with torch.no_grad():
        changed.model.layers[0].self_attn.q_proj.weight.mul_(1.1)  # a later layer must not see this
        changed.model.layers[1].mlp.down_proj.weight.zero_()
    errors = layer_errors(original, changed, WINDOWS)
    assert errors.pop("model.layers.0.self_attn.q_proj") == pytest.approx(0.1, rel=1e-4)
    assert errors.pop("model.layers.1.mlp.down_proj") == pytest.approx(1.0)
    assert set(errors.values()) == {0.0}


def test_the_original_is_left_without_hooks() -> None:
    original = llama_to_quantise()
    layer_errors(original, llama_to_quantise(), WINDOWS)
    assert not any(module._forward_hooks for module in original.modules())
