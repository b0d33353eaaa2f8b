from pathlib import Path

import pytest
import torch

from formats.errors import SeedloomError
from papers.questions import Asked, Choices, choices, interval, passages, task_examples
from tests.papers.big_bench import WIKIPEDIA, tasks_in


def test_only_the_json_file_of_a_task_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {"some/task": [{"input": "1 + 1"}]}, monkeypatch)
    assert task_examples("some/task") == [{"input": "1 + 1"}]


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {"some": []}, monkeypatch)
    (tmp_path / "benchmark_tasks" / "some" / "task.json").write_text("{")
    with pytest.raises(SeedloomError, match="install the package again"):
        task_examples("some")


def test_choices_have_one_right_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [
        {"input": " Legs of a horse? ", "target_scores": {"two": 0, " four ": 1}},
        {"input": "Both?", "target_scores": {"one": 1, "other": 1}},
        {"input": "Shades?", "target_scores": {"joy": 0.7, "fear": 0.3}},
        {"input": "", "target_scores": {"It rained.": 1.0, "It was wet.": 0.0}},
    ]
    tasks_in(tmp_path, {"some": examples}, monkeypatch)
    first = Choices("Legs of a horse?", ("two", "four"), 1)
    assert choices("some", 9) == [first, Choices("", ("It rained.", "It was wet."), 0)]
    assert choices("some", 1) == [first]


def test_a_passage_is_short_and_has_one_question_that_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks_in(tmp_path, {"disfl_qa": WIKIPEDIA}, monkeypatch)
    texts, asked = passages(3, 10)
    assert texts == ["The bridge is in Spain .", "The tower is of 1889 .", "Cats eat mice ."]
    assert asked[1] == Asked("Who no when was the tower built ?", "1889", 1)
    assert [question.passage for question in asked] == [0, 1, 2]


def test_an_interval_holds_the_mean_and_narrows_with_the_questions() -> None:
    few, many = torch.tensor([0, 1] * 10), torch.tensor([0, 1] * 500)
    low, high = interval(few)
    assert (low, high) == interval(few)
    assert 0.2 < low < 0.35 < 0.65 < high < 0.8
    narrow = interval(many)
    assert 0.45 < narrow[0] < 0.5 < narrow[1] < 0.55


def test_a_ratio_is_over_the_same_questions() -> None:
    values = torch.tensor([0.0, 1, 1, 0, 1, 1, 1, 0])
    assert interval(values, values) == (1, 1)
