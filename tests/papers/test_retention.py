import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from papers.questions import Choices
from papers.retention import above_chance, answers_of, figures_of, likelihoods, retention
from sw_runtime.texts.packaged_models import smollm2_folder
from tests.models import tiny_llama

QUESTION = Choices("Which animal barks?", ("cat", "a small dog", "horse of wood"), 1)
ALONE = Choices("", ("It rained.", "The street became wet."), 0)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return tiny_llama(hidden_size=32, intermediate_size=48, num_hidden_layers=2, vocab_size=49152)


@pytest.mark.parametrize("question", [QUESTION, ALONE])
def test_answers_of_any_length_are_weighed_by_their_mean_likelihood(question: Choices, model: LlamaForCausalLM) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    start = tokenizer.bos_token + (f"Question: {question.text}\nAnswer:" if question.text else "")
    expected = []
    for answer in question.answers:
        before, own = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (start, f" {answer}"))
        with torch.inference_mode():
            logits = model(torch.tensor([before + own])).logits[0].double().log_softmax(dim=-1)
        places = range(len(before) - 1, len(before) + len(own) - 1)
        expected.append(sum(logits[at, token].item() for at, token in zip(places, own, strict=True)) / len(own))
    found = likelihoods(model, tokenizer, question)
    torch.testing.assert_close(found, torch.tensor(expected).double(), atol=1e-5, rtol=1e-5)
    assert answers_of(model, tokenizer, [question], "some").tolist() == [int(found.argmax())]


def test_a_model_is_above_chance_if_its_whole_interval_is() -> None:
    questions = [Choices("?", ("one", "other"), 0)] * 40
    assert above_chance(torch.tensor([0] * 32 + [1] * 8), questions)
    assert not above_chance(torch.tensor([0] * 23 + [1] * 17), questions)


def test_retention_is_of_accuracy_and_agreement_of_answers() -> None:
    right = torch.zeros(100, dtype=torch.int64)
    float_answers = torch.tensor([0] * 80 + [1] * 20)
    answers = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    found = retention(answers, float_answers, right)
    assert (found.kept, found.accuracy, found.agreement) == pytest.approx((75, 60, 70))
    assert found.kept_interval[0] < 75 < found.kept_interval[1] < 100
    assert found.accuracy_interval[0] < 60 < found.accuracy_interval[1]
    low, high = found.accuracy_interval
    assert figures_of("some", found)["some: accuracy, 95 % interval, %"] == f"{low:.1f} to {high:.1f}"
