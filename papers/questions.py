"""Questions of BIG-bench (arXiv 2206.04615), read from its tasks' JSON files alone; intervals of means over them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sw_runtime.json_files import read_object
from sw_runtime.texts.packages import package_file

UNANSWERABLE = "unknown"
"""What disfl_qa gives as the answer where the passage holds none."""

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


def passages(count: int, most_words: int) -> tuple[list[str], list[Asked]]:
    """Passages of Wikipedia and one question of a person on each: disfl_qa, whose questions correct themselves.

    Parameters
    ----------
    count
        Passages, the first ones of at most ``most_words`` words with a question that has an answer.
    """
    found: dict[str, Asked] = {}
    for example in task_examples("disfl_qa"):
        question, _, passage = example["input"].partition("context:")
        passage, answer = passage.strip(), example["target"].strip()
        answerable = answer != UNANSWERABLE and answer.casefold() in passage.casefold()
        if answerable and len(passage.split()) <= most_words and passage not in found and len(found) < count:
            found[passage] = Asked(question.strip(), answer, len(found))
    return list(found), list(found.values())


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
