from pathlib import Path

import pytest
import torch

from golden_models.decoder import Decoder
from golden_models.superposition.forkjoin import SuperpositionParameters, keep_paths, path_bias
from golden_models.superposition.prompting import Paths, read_documents, read_preamble, read_queries, superpose
from papers.prompts import ANSWER_TOKENS
from papers.superposition import (
    DOCUMENT_WEIGHTS,
    KEEPS,
    Tally,
    best_by_words,
    measure,
    multiply_accumulates,
    share,
)
from papers.superposition_asking import SideBySide, in_a_row, read_queries_at_once, respond, seen_by_task
from tests.models import tiny_llama
from tests.papers.big_bench import BRIDGES, NATURAL_QUESTIONS, tasks_in


def goes_on(token: int) -> bool:
    """No token ends an answer."""
    return False


def test_the_document_with_the_words_is_found_and_the_first_among_equals() -> None:
    documents = ["a cat sat", "the dog ran", "birds fly", "fish swim"]
    assert best_by_words(documents, "Dog ran?") == 1
    assert best_by_words(documents, "nothing here") == 0


def test_the_likeliest_tokens_answer_until_one_ends_the_answer() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    prompt, task = torch.tensor([5, 17, 9]), torch.tensor([3, 99])
    tokens = torch.cat([prompt, task])
    expected = []
    for _ in range(ANSWER_TOKENS):
        expected.append(int(decoder(tokens)[-1].argmax()))
        tokens = torch.cat([tokens, torch.tensor(expected[-1:])])
    seen = [read_preamble(decoder, prompt[:1])]
    seen.append(in_a_row(decoder, seen, prompt[1:]))
    assert respond(decoder, seen, torch.zeros(3), task, goes_on) == expected
    end = expected.index(expected[3])
    assert respond(decoder, seen, torch.zeros(3), task, lambda token: token == expected[3]) == expected[:end]


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
    assert respond(decoder, seen, bias, task, goes_on)[0] == golden.logits[-1].argmax()


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
        tally.answer("superposition", response, "Spain")
        tally.answer("naive", "Spain" if response == "France" else "", "Spain")
    gain, (low, high) = tally.gain("superposition", "naive")
    assert gain == pytest.approx(100 / 3)
    assert low < gain < high
    assert tally.exact["superposition"] == [True, False, False]
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


def test_queries_read_at_once_are_those_read_path_by_path() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    preamble, query = read_preamble(decoder, torch.tensor([5, 11])), torch.tensor([7, 8, 9])
    lengths = [torch.tensor([10, 11, 12]), torch.tensor([20, 21]), torch.tensor([30, 31, 32, 33])]
    documents = read_documents(decoder, [preamble], lengths)
    golden = read_queries(decoder, [preamble], documents, query)
    queries = read_queries_at_once(decoder, SideBySide.of(preamble, documents), query)
    at_once = Paths((preamble,), tuple(documents), queries)
    for ours, theirs in zip(at_once.queries, golden.queries, strict=True):
        assert torch.equal(ours.positions, theirs.positions)
        torch.testing.assert_close(ours.logits, theirs.logits)
        torch.testing.assert_close(ours.cache[-1].keys, theirs.cache[-1].keys)
        torch.testing.assert_close(ours.cache[-1].values, theirs.cache[-1].values)
    torch.testing.assert_close(at_once.attention_weights(), golden.attention_weights())


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_select_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {NATURAL_QUESTIONS: BRIDGES}, monkeypatch)
    emulated, simulated = (measure(device, 1, 4, 1) for device in ("emulated", "simulated"))
    assert emulated.details == simulated.details
    assert emulated.details["answers"]["right passage"] == ["Anna HH"]
    for claim in ("naive", "BM25", "work"):
        assert emulated.findings[claim].ours == simulated.findings[claim].ours is not None
    assert emulated.findings["naive"].stand_in
    assert emulated.figures["selections by the router as by float32, %"] == 100
    assert {figure for figure in emulated.figures if figure.startswith("on other questions")} == {
        *(f"on other questions: right path likeliest, λ = {weight}" for weight in DOCUMENT_WEIGHTS),
        *(f"on other questions: right answers, k = {keep}" for keep in KEEPS),
    }


@pytest.mark.parametrize(("documents", "questions"), [(3, 1), (4, 5)])
def test_more_paths_or_questions_than_documents_are_refused(documents: int, questions: int) -> None:
    message = f"{questions} questions and k up to 4 need as many documents, not {documents}"
    with pytest.raises(ValueError, match=message):
        measure("emulated", 1, documents, questions)
