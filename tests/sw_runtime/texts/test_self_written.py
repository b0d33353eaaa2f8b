"""A model writes the text that it is calibrated on."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from sw_runtime.texts.self_written import check_writer, written_windows
from tests.models import TINY, tiny_llama


def test_windows_are_as_many_and_as_long_as_asked_for() -> None:
    windows = written_windows(tiny_llama(), windows=11, length=20)
    assert windows.shape == (11, 20)
    assert windows.dtype == torch.int64
    assert 0 <= windows.min() <= windows.max() < TINY["vocab_size"]


def test_windows_differ_from_one_another_and_between_seeds_but_not_between_runs() -> None:
    model = tiny_llama()
    windows = written_windows(model, windows=8, length=16)
    assert len({tuple(window) for window in windows.tolist()}) == 8
    assert torch.equal(written_windows(model, windows=8, length=16), windows)
    assert not torch.equal(written_windows(model, windows=8, length=16, seed=1), windows)


def test_a_caller_s_random_numbers_are_left_alone() -> None:
    model = tiny_llama()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    written_windows(model, windows=4, length=8)
    assert torch.equal(torch.rand(3), expected)


def test_tokens_are_sampled_from_what_the_model_predicts() -> None:
    uncertain, certain = tiny_llama(), tiny_llama()
    with torch.no_grad():
        uncertain.lm_head.weight.zero_()
        certain.lm_head.weight *= 1e5
        assert len(written_windows(uncertain, windows=8, length=33)[:, 1:].unique()) > 90, "of 120 equally likely ones"
        windows = written_windows(certain, windows=4, length=12)
        logits = certain(windows).logits[:, :-1]
        written = logits.gather(-1, windows[:, 1:, None]).squeeze(-1)
        assert (written > logits.amax(dim=-1) - 0.02 * logits.abs().amax()).all(), "up to the rounding of bfloat16"
        assert logits.std() > 0.1 * logits.abs().amax(), "other tokens are further away"
        assert torch.get_float32_matmul_precision() == "highest", "as it was before"


def test_the_model_s_own_settings_of_sampling_do_not_count() -> None:
    model = tiny_llama()
    windows = written_windows(model, windows=4, length=12)
    model.generation_config.update(temperature=0.1, top_k=1, repetition_penalty=3.0)
    assert torch.equal(written_windows(model, windows=4, length=12), windows)


def test_the_end_of_a_text_does_not_end_a_window() -> None:
    windows = written_windows(tiny_llama(eos_token_id=list(range(60))), windows=4, length=24)
    assert windows.shape == (4, 24)
    assert (windows[:, 1:-1] < 60).any(), "an end among them"


def test_windows_are_no_longer_than_the_model_s_positions() -> None:
    assert written_windows(tiny_llama(max_position_embeddings=10), windows=4, length=24).shape == (4, 10)


@pytest.mark.parametrize(("begins", "expected"), [(True, 1), (False, None)])
def test_a_text_begins_as_the_tokenizer_begins_it(begins: bool, expected: int | None) -> None:
    class Tokenizer(PreTrainedTokenizerFast):  # type: ignore[misc]  # transformers is not typed
        bos_token_id = 1

        def __init__(self) -> None:
            pass

        def __call__(self, text: str) -> dict[str, list[int]]:  # type: ignore[override]
            return {"input_ids": [1, 2] if begins else []}

    first = written_windows(tiny_llama(), Tokenizer(), windows=8, length=4)[:, 0]
    assert (first == 1).all() if expected else len(first.unique()) > 1


def test_a_model_that_predicts_no_next_token_cannot_write() -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    bert = BertForMaskedLM(BertConfig(**size, vocab_size=50))
    with pytest.raises(
        ValueError, match="a BertForMaskedLM writes no text of its own; give a calibration text, or 'none'"
    ):
        written_windows(bert)
    check_writer(tiny_llama())
