import math

import pytest
import torch

from sw_runtime.evaluate.text import Estimate, Reference
from tests.sw_runtime.evaluate.models import WINDOWS, llama_to_quantise


def test_a_model_against_itself_loses_nothing() -> None:
    model = llama_to_quantise()
    quality = Reference(model, WINDOWS).compare(model, "itself")
    assert quality.log_ratio == quality.divergence == Estimate(0.0, 0.0)
    assert quality.agreement == Estimate(1.0, 0.0)


def test_figures_are_those_of_plain_loops_over_tokens() -> None:
    original, model = llama_to_quantise(), llama_to_quantise(seed=1)
    reference = Reference(original, WINDOWS)
    quality = reference.compare(model, "another")
    losses, divergences, agreements, own = [], [], [], []
    with torch.inference_mode():
        for window in WINDOWS:
            p, q = (torch.softmax(m(window[None]).logits[0].double(), dim=-1) for m in (original, model))
            places = range(len(window) - 1)
            own.append(sum(-math.log(p[i, window[i + 1]]) for i in places) / len(places))
            losses.append(sum(-math.log(q[i, window[i + 1]]) for i in places) / len(places))
            divergences.append(sum(float((p[i] * (p[i] / q[i]).log()).sum()) for i in places) / len(places))
            agreements.append(sum(int(p[i].argmax() == q[i].argmax()) for i in places) / len(places))
    assert reference.perplexity == pytest.approx(math.exp(sum(own) / 3), rel=1e-5)
    assert quality.perplexity == pytest.approx(math.exp(sum(losses) / 3), rel=1e-5)
    assert quality.log_ratio.mean == pytest.approx((sum(losses) - sum(own)) / 3, abs=1e-5)
    assert quality.divergence.mean == pytest.approx(sum(divergences) / 3, rel=1e-4)
    assert quality.agreement.mean == pytest.approx(sum(agreements) / 3)
    assert quality.divergence.error == pytest.approx(torch.tensor(divergences).std().item() / 3**0.5, rel=1e-3)


def test_the_error_of_one_window_is_unknown() -> None:
    assert math.isnan(Estimate.of(torch.tensor([1.0])).error)
