"""A folder as the package bigbench has it, with few and small tasks."""

import json
from collections.abc import Mapping
from pathlib import Path
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


def asked(question: str, passage: str, answer: str) -> dict[str, str]:
    """An example of disfl_qa."""
    return {"input": f"{question} \ncontext: {passage}", "target": answer}


WIKIPEDIA = [
    asked("Where is the bridge ?", "The bridge is in Spain .", "Spain"),
    asked("Who built the bridge ?", "The bridge is in Spain .", "unknown"),
    asked("Who no when was the tower built ?", "The tower is of 1889 .", "1889"),
    asked("What is long ?", "word " * 50, "word"),
    asked("Who is king ?", "Nobody is king .", "the queen"),
    asked("What do cats eat ?", "Cats eat mice .", "mice"),
    asked("What do dogs eat ?", "Dogs eat bones .", "bones"),
]
