from pathlib import Path

import pytest
import torch

from formats.errors import SeedloomError
from papers.questions import Asked, Choices, choices, holds, interval, passages, task_examples
from tests.papers.big_bench import NATURAL_QUESTIONS, WIKIPEDIA, tasks_in


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


def test_passages_answer_their_own_question_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {NATURAL_QUESTIONS: WIKIPEDIA}, monkeypatch)
    texts, questions = passages(4, 3, 10)
    assert texts == ["The bridge is in Spain .", "The tower is of 1889 .", "Cats eat mice .", "Dogs eat bones ."]
    assert questions[1] == Asked("when was the tower built?", "1889", 1)
    assert [question.passage for question in questions] == [0, 1, 2, 3]
    assert passages(1, 40, 60)[1] == [Asked("what is long?", "word", 0)]


def test_too_few_passages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {NATURAL_QUESTIONS: WIKIPEDIA}, monkeypatch)
    with pytest.raises(SeedloomError, match="4 passages of 3 to 10 words answer one question, not 5; ask for fewer"):
        passages(5, 3, 10)


def test_a_response_holds_an_answer_whose_words_it_has_in_a_row() -> None:
    assert holds("It is the Tower of London.", "Tower of London")
    assert holds("The answer: tower-of a London", "tower of the London")
    assert holds("Chalino Sánchez", "sánchez")
    assert not holds("London has a tower", "Tower of London")
    assert not holds("", "London")


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
