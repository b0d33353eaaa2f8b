"""How much of a model's zero-shot accuracy compression keeps: multiple choice by likelihood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from papers.questions import Choices, interval

PREFIXES = {True: "Question: {}\nAnswer:", False: ""}
"""What an answer is read after: a question, or nothing where the answers stand alone."""


@torch.inference_mode()
def likelihoods(model: Any, tokenizer: Any, question: Choices) -> Tensor:
    """Mean log-likelihood a token of every answer: float64 [answers]."""
    start = f"{tokenizer.bos_token}{PREFIXES[bool(question.text)].format(question.text)}"
    prefix = tokenizer(start, add_special_tokens=False)["input_ids"]
    answers = [tokenizer(f" {answer}", add_special_tokens=False)["input_ids"] for answer in question.answers]
    longest = max(map(len, answers))
    rows = torch.tensor([prefix + answer + [0] * (longest - len(answer)) for answer in answers])
    own = torch.arange(longest) < torch.tensor([len(answer) for answer in answers])[:, None]
    logits = model(rows, logits_to_keep=longest + 1).logits[:, :-1].double()
    scores = logits.log_softmax(dim=-1).gather(2, rows[:, -longest:, None])[..., 0]
    means: Tensor = (scores * own).sum(dim=1) / own.sum(dim=1)
    return means


def answers_of(model: Any, tokenizer: Any, questions: Sequence[Choices], label: str) -> Tensor:
    """The answer chosen to each question: int64 [questions]."""
    chosen = [likelihoods(model, tokenizer, q).argmax() for q in tqdm(questions, desc=label, unit="question")]
    return torch.stack(chosen)


def above_chance(answers: Tensor, questions: Sequence[Choices]) -> bool:
    """Whether the whole interval of a model's accuracy lies above guessing."""
    right = answers == torch.tensor([question.right for question in questions])
    guessing = sum(1 / len(question.answers) for question in questions) / len(questions)
    return interval(right)[0] > guessing


@dataclass(frozen=True)
class Retention:
    """What a compressed model keeps of the float model's answers.

    Parameters
    ----------
    kept, kept_interval
        Its accuracy over the float model's, %.
    accuracy, accuracy_interval
        %.
    agreement
        Questions to which it gives the float model's answer, right or wrong, %.
    """

    kept: float
    kept_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]
    agreement: float


def retention(answers: Tensor, float_answers: Tensor, right: Tensor) -> Retention:
    """Compare answers, int64 [questions] each, with the float model's and with those that are right."""
    ours, theirs = (100.0 * (chosen == right) for chosen in (answers, float_answers))
    low, high = interval(ours, theirs)
    return Retention(
        kept=100 * (ours.mean() / theirs.mean()).item(),
        kept_interval=(100 * low, 100 * high),
        accuracy=ours.mean().item(),
        accuracy_interval=interval(ours),
        agreement=100 * (answers == float_answers).double().mean().item(),
    )


def figures_of(name: str, found: Retention) -> Mapping[str, float | str]:
    """A model's figures by their names."""
    low, high = found.accuracy_interval
    return {
        f"{name}: accuracy, %": found.accuracy,
        f"{name}: accuracy, 95 % interval, %": f"{low:.1f} to {high:.1f}",
        f"{name}: answers that are the float model's, %": found.agreement,
    }
