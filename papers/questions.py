"""Questions of BIG-bench (arXiv 2206.04615), read from its tasks' JSON files alone; intervals of means over them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formats.errors import InputError
from sw_runtime.json_files import read_object
from sw_runtime.texts.packages import package_file

STAND_IN = "BIG-bench's passages, in which another name replaces the answer"
"""Why figures on ``passages`` do not settle a claim on other data."""

DRAWS, LEVEL = 2000, 0.95
"""Bootstrap samples, and how much of them an interval holds."""


def task_examples(task: str) -> list[dict[str, Any]]:
    """Examples of a task: ``"general_knowledge"``, ``"cause_and_effect/two_sentences"``.

    Raises
    ------
    DependencyError
        If the package is not installed, naming the command that installs it.
    CheckpointError
        If the file cannot be read.
    """
    path: Path = package_file("bigbench", f"benchmark_tasks/{task}/task.json")
    examples: list[dict[str, Any]] = read_object(path, "install the package again")["examples"]
    return examples


@dataclass(frozen=True)
class Choices:
    """A question with answers to choose from.

    Parameters
    ----------
    text
        May be empty: the likeliest answer is then to be chosen by itself.
    answers
        All of them.
    right
        Which one.
    """

    text: str
    answers: tuple[str, ...]
    right: int


def choices(task: str, count: int) -> list[Choices]:
    """The first questions of a multiple-choice task that have one right answer."""
    found = []
    for example in task_examples(task):
        scores = example["target_scores"]
        if sorted(scores.values())[-2:] == [0, 1]:
            right = list(scores.values()).index(1)
            found.append(Choices(example["input"].strip(), tuple(answer.strip() for answer in scores), right))
    return found[:count]


@dataclass(frozen=True)
class Asked:
    """A question on a passage.

    Parameters
    ----------
    text, answer
        The answer stands in the passage.
    passage
        Which one.
    """

    text: str
    answer: str
    passage: int


def passages(count: int, fewest_words: int, most_words: int) -> tuple[list[str], list[Asked]]:
    """Passages of Wikipedia and a question of Natural Questions on each: contextual_parametric_knowledge_conflicts.

    In every passage of the task, the name that answers the question is replaced by another one, so that it must be
    read rather than known. The answer that counts is the one that stands there.

    Parameters
    ----------
    count
        Passages: the first ones of ``fewest_words`` to ``most_words`` words that answer no question but their own.

    Raises
    ------
    InputError
        If there are not so many.
    """
    texts: list[str] = []
    asked: list[Asked] = []
    for example in task_examples("contextual_parametric_knowledge_conflicts"):
        question, _, passage = example["input"].partition("\nContext:")
        question, passage, answer = question.strip().removeprefix("Question: "), passage.strip(), example["target"]
        fits = fewest_words <= len(passage.split()) <= most_words and answer in passage
        if fits and not any(one.answer in passage for one in asked) and not any(answer in text for text in texts):
            asked.append(Asked(question, answer, len(texts)))
            texts.append(passage)
        if len(texts) == count:
            return texts, asked
    raise InputError(
        f"{len(texts)} passages of {fewest_words} to {most_words} words answer one question, not {count}; "
        "ask for fewer or other lengths"
    )


def words(text: str) -> list[str]:
    """Of letters and digits, in lower case, articles left out: what answers are compared by."""
    return [word for word in re.findall(r"[^\W_]+", text.casefold()) if word not in ("a", "an", "the")]


def holds(response: str, answer: str) -> bool:
    """Whether the answer's words occur in a response in a row: best-EM-subspan."""
    found, wanted = words(response), words(answer)
    return any(found[start : start + len(wanted)] == wanted for start in range(len(found) - len(wanted) + 1))


def interval(values: Tensor, over: Tensor | None = None) -> tuple[float, float]:
    """95 % bootstrap interval of a mean, or of the ratio of two means over the same questions.

    Parameters
    ----------
    values, over
        One a question, [n] each; samples draw questions, so that both stay paired.
    """
    draws = torch.randint(len(values), (DRAWS, len(values)), generator=torch.Generator().manual_seed(0))
    means = values.double()[draws].mean(dim=1)
    if over is not None:
        means = means / over.double()[draws].mean(dim=1)
    low, high = means.quantile(torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)).tolist()
    return low, high
