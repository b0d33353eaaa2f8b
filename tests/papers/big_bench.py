"""A folder as the package bigbench has it, with few and small tasks."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest

from papers import questions


def tasks_in(folder: Path, tasks: Mapping[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the papers read these examples by task."""
    for task, examples in tasks.items():
        path = folder / "benchmark_tasks" / task / "task.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"examples": examples}))
    monkeypatch.setattr(questions, "package_file", lambda package, path: {"bigbench": folder}[package] / path)


NATURAL_QUESTIONS = "contextual_parametric_knowledge_conflicts"


def asked(question: str, passage: str, answer: str) -> dict[str, str]:
    """An example of the task."""
    return {"input": f"\nQuestion: {question}\nContext: {passage}", "target": answer}


WIKIPEDIA = [
    asked("where is the bridge?", "The bridge is in Spain .", "Spain"),
    asked("who built the tower?", "The tower was built in Spain by Eiffel .", "Eiffel"),
    asked("when was the tower built?", "The tower is of 1889 .", "1889"),
    asked("what is long?", "word " * 50, "word"),
    asked("who is king?", "Nobody is king .", "the queen"),
    asked("what do cats eat?", "Cats eat mice .", "mice"),
    asked("what do mice fear?", "They all fear cats , and that since 1889 .", "cats"),
    asked("what do dogs eat?", "Dogs eat bones .", "bones"),
]

BRIDGES = [
    asked(
        f"who built bridge {letter}?",
        f"Bridge {letter} was built by Anna {letter}{letter} . " + "It leads over a river . " * 6,
        f"Anna {letter}{letter}",
    )
    for letter in ascii_uppercase
]
"""Passages of 44 words, each with its own answer."""
