import pytest
import torch

from golden_models.decoder import Decoder
from golden_models.superposition.prompting import read_preamble
from papers.superposition import (
    best_by_words,
    documents_of,
    go_on,
    measure,
    multiply_accumulates,
    questions_of,
    score,
)
from tests.models import tiny_llama

LONG = "x " * 60
NEWS = "One two three. Four five six seven eight nine ten eleven.\n\nA b c d e f g h i.\nIt rains in Spain. " + LONG


def test_documents_are_whole_sentences_of_items() -> None:
    first, second, third = documents_of(NEWS, 3, 0)
    assert first == "One two three. Four five six seven eight nine ten eleven."
    assert second == "A b c d e f g h i."
    assert third == "It rains in Spain."


def test_a_question_is_the_end_of_a_long_enough_sentence() -> None:
    questions = questions_of(documents_of(NEWS, 3, 0), 3, 0)
    assert {(q.document, q.cue, q.answer) for q in questions} == {
        (0, "five six seven eight", "nine ten eleven"),
        (1, "c d e f", "g h i"),
    }


def test_no_more_questions_than_asked_for() -> None:
    assert len(questions_of(documents_of(NEWS, 3, 0), 1, 0)) == 1


def test_the_document_with_the_words_is_found_and_the_first_among_equals() -> None:
    documents = ["a cat sat", "the dog ran", "birds fly", "fish swim"]
    assert best_by_words(documents, "Dog ran?") == 1
    assert best_by_words(documents, "nothing here") == 0


def test_an_answer_is_right_when_every_token_is_the_likeliest() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    prompt = read_preamble(decoder, torch.tensor([5, 17]))
    greedy = [int(prompt.logits[-1].argmax())]
    for _ in range(2):
        greedy.append(int(go_on(decoder, [prompt], torch.tensor(greedy)).logits[-1].argmax()))
    answer = torch.tensor(greedy[1:])
    right, likelihood = score(go_on(decoder, [prompt], torch.tensor(greedy)), answer)
    assert right
    assert likelihood < 0
    assert not score(go_on(decoder, [prompt], torch.tensor([greedy[0], greedy[1], 1 + greedy[2]])), answer + 1)[0]


def test_a_prompt_read_in_parts_is_the_prompt() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    tokens = torch.tensor([5, 17, 3, 99, 42, 7])
    first = read_preamble(decoder, tokens[:2])
    second = go_on(decoder, [first], tokens[2:5])
    last = go_on(decoder, [first, second], tokens[5:])
    torch.testing.assert_close(torch.cat([x.logits for x in (first, second, last)]), decoder(tokens))


def test_work_is_counted_by_product() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    matrices = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 100
    attention = 2 * 64 * (11 + 12)  # scores and sums of two tokens that see 11 and 12
    assert multiply_accumulates(decoder, 2, 10, 1) == 3 * (2 * matrices + attention) + 120 * 64


def test_work_of_parts_adds_up() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    parts = multiply_accumulates(decoder, 5, 0, 0) + multiply_accumulates(decoder, 3, 5, 3)
    assert parts == multiply_accumulates(decoder, 8, 0, 3)


def test_both_devices_select_alike() -> None:
    reports = [measure(device, 1, 3, 1, (1, 2)) for device in ("emulated", "simulated")]
    assert reports[0].details == reports[1].details
    assert [len(kept) for kept in reports[0].details["kept"]] == [1, 2]
    names = [figure.name for figure in reports[0].figures]
    for one, other in zip(*(report.figures for report in reports), strict=True):
        assert one == other or one.name.startswith("router cycles")
    assert "answers right, superposition, k = 2" in names


def test_more_paths_than_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="8 paths cannot be kept of 4 documents; lower keeps"):
        measure("emulated", 1, 4, 1)
