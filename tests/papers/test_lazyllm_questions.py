from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from formats.router.descriptor import RouterParameters
from papers.lazyllm_questions import ANSWER_TOKENS, LEAST_RIGHT, Answers, Step, answer, dense_step, lazy_step
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from tests.models import tiny_llama

PROMPT = torch.tensor([5, 17, 3, 99, 42, 7])


class Letters:
    """Prompts whose tokens are letters; the first ends an answer."""

    def ends(self, token: int) -> bool:
        return token == 0

    def text(self, tokens: list[int]) -> str:
        return "".join(chr(96 + token) for token in tokens)


def saying(tokens: list[int]) -> Step:
    """Steps that predict these tokens in turn."""
    left = iter(tokens)
    return lambda fresh: torch.nn.functional.one_hot(torch.tensor(next(left)), 30).double()


def answers(dense: int, lazy: int, of: int) -> Answers:
    """So many right answers of all."""
    said = [["Spain"] * right + ["France"] * (of - right) for right in (dense, lazy)]
    return Answers(["Spain"] * of, *said, tokens=[700] * of)


def test_an_answer_goes_to_the_end_of_its_line_or_to_the_most_tokens() -> None:
    assert answer(saying([3, 1, 0, 5]), Letters(), PROMPT) == "ca"  # type: ignore[arg-type]
    assert len(answer(saying([2] * 99), Letters(), PROMPT)) == ANSWER_TOKENS  # type: ignore[arg-type]


@pytest.mark.parametrize("steps_of", [dense_step, lambda model: lazy_step(Decoder.of(model), router(), {})])
def test_steps_predict_what_the_whole_text_does(steps_of: Callable[[object], Callable[[Tensor], Tensor]]) -> None:
    model = tiny_llama()
    step = steps_of(model)
    with torch.inference_mode():
        predicted = [step(PROMPT[:4]), step(PROMPT[4:5]), step(PROMPT[5:])]
        torch.testing.assert_close(torch.stack(predicted), model(PROMPT[None]).logits[0, 3:])


def router() -> EmulatedDevice:
    return EmulatedDevice(router=RouterParameters())


def test_the_score_kept_is_a_share_of_the_dense_models() -> None:
    found = answers(dense=20, lazy=15, of=40).finding("scale", "ran")
    assert found.ours == 75
    assert found.interval is not None
    assert found.stand_in
    low, high = found.interval
    assert 40 < low < 75 < high < 100


def test_too_few_right_answers_are_no_score() -> None:
    found = answers(dense=LEAST_RIGHT - 1, lazy=3, of=40).finding("scale", "ran")
    assert found.ours is None
    assert found.instead == "the dense model answers 14 of 40 questions, LazyLLM 3"
    assert answers(3, 3, 4).figures("x")["x: answers of LazyLLM that are the dense model's, %"] == 100
