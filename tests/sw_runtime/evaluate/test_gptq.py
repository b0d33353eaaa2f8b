"""GPTQ: errors of rounding are answered by the columns after."""

import torch
from torch import Tensor

from sw_runtime.evaluate.gptq import apply_gptq, round_with_feedback
from sw_runtime.evaluate.rounding import round_to_nearest
from sw_runtime.fit.feedback import inverse_factor
from tests.sw_runtime.evaluate.models import WINDOWS, llama_to_quantise

GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = torch.randn(12, 40, generator=GENERATOR)
INPUTS = torch.randn(400, 40, generator=GENERATOR) @ torch.randn(40, 40, generator=GENERATOR)
COVARIANCE = (INPUTS.double().T @ INPUTS.double()) / len(INPUTS)


def output_error(rounded: Tensor) -> float:
    return float((INPUTS @ (rounded - WEIGHTS).T).norm() / (INPUTS @ WEIGHTS.T).norm())


def test_inputs_that_do_not_correlate_leave_plain_rounding() -> None:
    factor = inverse_factor(torch.eye(40, dtype=torch.float64))
    assert torch.allclose(round_with_feedback(WEIGHTS, factor, 4, group=16), round_to_nearest(WEIGHTS, 4, group=16))


def test_correlated_inputs_lose_less() -> None:
    factor = inverse_factor(COVARIANCE)
    for group in (16, 128):
        found = round_with_feedback(WEIGHTS, factor, 3, group)
        assert output_error(found) < 0.8 * output_error(round_to_nearest(WEIGHTS, 3, group))


def test_the_feedback_is_the_best_answer_to_a_column_s_error() -> None:
    # With the first column's error e_0 given, e H eᵀ is least where the others' errors are -H_JJ⁻¹ H_J0 e_0.
    damped = COVARIANCE + 0.01 * COVARIANCE.diagonal().mean() * torch.eye(40, dtype=torch.float64)
    factor = inverse_factor(COVARIANCE)
    assert torch.allclose(factor[0, 1:] / factor[0, 0], -torch.linalg.solve(damped[1:, 1:], damped[1:, 0]))


def test_values_of_a_group_are_at_most_as_many_as_the_integers() -> None:
    found = round_with_feedback(WEIGHTS, inverse_factor(COVARIANCE), 3, group=20)
    for row in found.view(12, 2, 20).flatten(0, 1):
        assert len(row.unique()) <= 7


def test_a_model_s_layers_are_rounded_in_place_and_the_head_is_not() -> None:
    original, model = llama_to_quantise(), llama_to_quantise()
    name = "model.layers.0.mlp.down_proj"
    apply_gptq(model, WINDOWS.repeat(4, 1), [name], 4)
    changed = {key for key, tensor in model.state_dict().items() if not tensor.equal(original.state_dict()[key])}
    assert changed == {f"{name}.weight"}
