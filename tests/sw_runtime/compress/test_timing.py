"""What the time will be spent on: every part of the work is counted, and experts for as much as they do."""

from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedModel, Qwen3MoeConfig, Qwen3MoeForCausalLM

from sw_runtime.compress import timing
from sw_runtime.compress.plan import Request, plan
from sw_runtime.compress.timing import LENGTH, MEASURED_WINDOWS, seconds
from sw_runtime.fit.mixed_precision import GRADIENT_WINDOWS
from tests.sw_runtime.compress.conftest import llama_to_compress

WINDOW, TOKENS = 512, 32 * 512


@pytest.fixture(autouse=True)
def a_sample_takes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_timed", lambda work: 1.0)


def letters(text: str, verbose: bool = True) -> dict[str, list[int]]:
    """A tokenizer: every letter is a token."""
    return {"input_ids": [ord(letter) % 64 for letter in text]}


def spent(model: PreTrainedModel, text: str | None = "packaged", **others: Any) -> dict[str, float]:
    asked = {"bits": None, "modules": None, "fp16": None, "polish": 0, "format": "trellis-4bit"} | others
    return seconds(plan(model, letters, Request(calibration_text=text, allow_partial=True, **asked)), threads=1)


def a_product(model: LlamaForCausalLM) -> float:
    """Seconds of all products of a token, given that a sample of 256 tokens takes one."""
    first = model.model.layers[0].self_attn.q_proj.weight
    weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    return weights / first.numel() / 256


def test_the_search_grows_with_the_weights() -> None:
    whole, part = (spent(llama_to_compress(), None, modules=modules)["search"] for modules in (None, "layers"))
    chosen = [module.weight for module in llama_to_compress().modules() if isinstance(module, torch.nn.Linear)]
    weights, head = sum(weight.numel() for weight in chosen), llama_to_compress().lm_head.weight.numel()
    assert part / whole == pytest.approx((weights - head) / weights)


def test_what_is_not_asked_for_takes_no_time() -> None:
    assert spent(llama_to_compress(), None).keys() == {"search"}
    assert spent(llama_to_compress()).keys() == {"search", "running the text", "statistics", "judging", "measuring"}


def test_runs_of_the_text_are_counted_by_their_tokens() -> None:
    model = llama_to_compress()
    found, token = spent(model), a_product(model)
    assert found["running the text"] == pytest.approx(2 * TOKENS * token)
    assert found["measuring"] == pytest.approx(2 * MEASURED_WINDOWS * LENGTH * token)


def test_sensitivities_take_a_run_back_and_forth_and_statistics_once_more() -> None:
    model = llama_to_compress()
    found = spent(model, bits=3.3)
    runs = 2 * (GRADIENT_WINDOWS * WINDOW + TOKENS) * a_product(model)
    assert found["sensitivity"] == pytest.approx(runs + found["statistics"])


def test_a_step_of_polish_is_three_runs_of_a_window() -> None:
    model = llama_to_compress()
    one, three = (spent(model, polish=steps)["polish"] for steps in (1, 3))
    assert three - one == pytest.approx(2 * 3 * WINDOW * a_product(model))
    assert one == pytest.approx((3 + 4 * 8) * WINDOW * a_product(model))


def test_a_text_of_its_own_is_written_token_by_token() -> None:
    assert spent(llama_to_compress(), "self")["writing the text"] > 0


def mixture(experts: int, chosen: int) -> Qwen3MoeForCausalLM:
    torch.manual_seed(0)
    config = Qwen3MoeConfig(
        hidden_size=32,
        intermediate_size=32,
        moe_intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=120,
        num_experts=experts,
        num_experts_per_tok=chosen,
        max_position_embeddings=WINDOW,
    )
    return Qwen3MoeForCausalLM(config).eval()


def test_experts_count_for_the_tokens_that_choose_them() -> None:
    every, some = (spent(mixture(8, chosen), modules="experts") for chosen in (8, 2))
    assert some["search"] == every["search"]
    assert some["running the text"] == pytest.approx(every["running the text"] / 4)
    moments, factor = 1 / 4096 / 512**2, 1 / 512**3
    groups = [32 * 32 * TOKENS / 4 * moments + 32**3 * factor] * 16  # gate and up together, and down
    assert some["statistics"] == pytest.approx(sum(groups))


def test_experts_that_see_few_tokens_share_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LEAST_TOKENS", TOKENS)
    found = spent(mixture(8, 2), modules="experts")["statistics"]
    moments, factor = 1 / 4096 / 512**2, 1 / 512**3
    assert found == pytest.approx(2 * (32 * 32 * 2 * TOKENS * moments + 32**3 * factor))
