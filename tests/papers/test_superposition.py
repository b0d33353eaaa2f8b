from pathlib import Path

import pytest
import torch

from golden_models.decoder import Decoder
from golden_models.superposition.forkjoin import SuperpositionParameters, keep_paths, path_bias
from golden_models.superposition.prompting import read_documents, read_preamble, read_queries, superpose
from papers.superposition import Tally, best_by_words, holds, measure, multiply_accumulates, share
from papers.superposition_asking import in_a_row, respond, seen_by_task
from tests.models import tiny_llama
from tests.papers.big_bench import WIKIPEDIA, tasks_in

NO_TOKEN = -1


def test_the_document_with_the_words_is_found_and_the_first_among_equals() -> None:
    documents = ["a cat sat", "the dog ran", "birds fly", "fish swim"]
    assert best_by_words(documents, "Dog ran?") == 1
    assert best_by_words(documents, "nothing here") == 0


def test_a_response_holds_an_answer_whose_words_it_has_in_a_row() -> None:
    assert holds("It is the Tower of London.", "Tower of London")
    assert holds("The answer: tower-of a London", "tower of the London")
    assert not holds("London has a tower", "Tower of London")
    assert not holds("", "London")


def test_the_likeliest_tokens_answer_until_one_ends_the_answer() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    prompt, task = torch.tensor([5, 17, 9]), torch.tensor([3, 99])
    tokens = torch.cat([prompt, task])
    expected = []
    for _ in range(20):
        expected.append(int(decoder(tokens)[-1].argmax()))
        tokens = torch.cat([tokens, torch.tensor(expected[-1:])])
    seen = [read_preamble(decoder, prompt[:1])]
    seen.append(in_a_row(decoder, seen, prompt[1:]))
    assert respond(decoder, seen, torch.zeros(3), task, NO_TOKEN).tolist() == expected
    end = expected.index(expected[3])
    assert respond(decoder, seen, torch.zeros(3), task, expected[3]).tolist() == expected[:end]


def test_an_answer_to_paths_begins_as_the_golden_model_says() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    parameters = SuperpositionParameters(keep=2, temperature=1.0)
    preamble, query, task = torch.tensor([5]), torch.tensor([7, 8, 9]), torch.tensor([3, 99])
    documents = [torch.tensor([10, 11, 12]), torch.tensor([20, 21]), torch.tensor([30, 31, 32, 33])]
    golden = superpose(decoder, parameters, preamble, documents, query, task)
    start = read_preamble(decoder, preamble)
    paths = read_queries(decoder, [start], read_documents(decoder, [start], documents), query)
    weights = paths.weights(parameters)
    kept = keep_paths(weights, 2)
    seen, bias = seen_by_task(paths.take(kept), path_bias(weights, kept, 1.0)[kept])
    assert respond(decoder, seen, bias, task, NO_TOKEN)[0] == golden.logits[-1].argmax()


def test_a_prompt_read_in_parts_is_the_prompt() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    tokens = torch.tensor([5, 17, 3, 99, 42, 7])
    first = read_preamble(decoder, tokens[:2])
    second = in_a_row(decoder, [first], tokens[2:5])
    last = in_a_row(decoder, [first, second], tokens[5:])
    torch.testing.assert_close(torch.cat([x.logits for x in (first, second, last)]), decoder(tokens))


def test_a_gain_is_between_the_same_questions() -> None:
    tally = Tally()
    for response in ("Spain", "in Spain .", "France"):
        tally.answer(1, response, "Spain")
        tally.answer("naive", "Spain" if response == "France" else "", "Spain")
    gain, (low, high) = tally.gain(1, "naive")
    assert gain == pytest.approx(100 / 3)
    assert low < gain < high
    assert tally.exact[1] == [True, False, False]
    assert share([True] * 4) == "100.0 [100.0, 100.0]"


def test_work_is_counted_by_product() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    matrices = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 100
    attention = 2 * 64 * (11 + 12)  # scores and sums of two tokens that see 11 and 12
    assert multiply_accumulates(decoder, 2, 10, 1) == 3 * (2 * matrices + attention) + 120 * 64


def test_work_of_parts_adds_up() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    parts = multiply_accumulates(decoder, 5, 0, 0) + multiply_accumulates(decoder, 3, 5, 3)
    assert parts == multiply_accumulates(decoder, 8, 0, 3)


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_select_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {"disfl_qa": WIKIPEDIA}, monkeypatch)
    emulated, simulated = (measure(device, 1, 4, 1, (1, 2)) for device in ("emulated", "simulated"))
    assert emulated.details == simulated.details
    assert [len(kept) for kept in emulated.details["kept"]] == [1, 2]
    for claim in ("naive", "BM25", "work"):
        assert emulated.findings[claim].ours == simulated.findings[claim].ours is not None
    assert "answers that hold the right words, right passage, %" in emulated.figures
    assert emulated.figures["selections by the router as by float32, %"] == 100


@pytest.mark.parametrize(("questions", "keeps"), [(1, (1, 8)), (5, (1,))])
def test_more_paths_or_questions_than_documents_are_refused(questions: int, keeps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no more than 4 paths or questions of 4 documents; lower keeps or questions"):
        measure("emulated", 1, 4, questions, keeps)
