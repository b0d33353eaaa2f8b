"""The server as the client of OpenAI sees it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
import torch

import seedloom
from sw_runtime.device.emulated import EmulatedDevice
from tests.sw_runtime.serve.processes import Server

TALK = [{"role": "user", "content": "w3 w7"}]


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def expected(chatting: Path) -> str:
    """Eight words after w3 w7."""
    model, tokenizer = seedloom.load(chatting)
    seedloom.attach(model, EmulatedDevice())
    tokens = model.generate(torch.tensor([[3, 7]]), max_new_tokens=8, do_sample=False)
    text: str = tokenizer.decode(tokens[0, 2:])
    return text


def test_the_model_is_listed_by_its_folders_name(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "seedloom"
    with pytest.raises(openai.NotFoundError, match="no model 'large'; this server has 'tiny'"):
        client.models.retrieve("large")


def test_a_completion(client: openai.OpenAI, expected: str) -> None:
    answer = client.completions.create(model="tiny", prompt="w3 w7", max_tokens=8)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (expected, "length")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 8)


def test_a_chat(client: openai.OpenAI, expected: str) -> None:
    parts = [{"type": "text", "text": "w3 "}, {"type": "text", "text": "w7"}]
    for content in ("w3 w7", parts):
        answer = client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": content}],  # type: ignore[list-item, misc]
            max_completion_tokens=8,
        )
        assert (answer.choices[0].message.role, answer.choices[0].message.content) == ("assistant", expected)


def test_streams_say_the_same_a_word_at_a_time(client: openai.OpenAI, expected: str) -> None:
    usage = {"include_usage": True}
    chat = list(
        client.chat.completions.create(model="tiny", messages=TALK, max_tokens=8, stream=True, stream_options=usage)  # type: ignore[call-overload]
    )
    assert "".join(chunk.choices[0].delta.content for chunk in chat[:-1]) == expected
    assert [chunk.choices[0].finish_reason for chunk in chat[:-1]] == [None] * 8 + ["length"]
    assert chat[-1].usage.total_tokens == 10
    text = list(client.completions.create(model="tiny", prompt="w3 w7", max_tokens=8, stream=True))
    assert "".join(chunk.choices[0].text for chunk in text) == expected
    assert len(text) == 9


def test_counters_grow_from_chunk_to_chunk(client: openai.OpenAI) -> None:
    chunks = list(
        client.completions.create(
            model="tiny", prompt="w3 w7", max_tokens=3, stream=True, extra_body={"counters": True}
        )
    )
    counters = [chunk.counters for chunk in chunks]  # type: ignore[attr-defined]
    assert [counter["tokens"] for counter in counters] == [1, 2, 3, 3]
    cycles = [counter["device"]["cycles"] for counter in counters]
    assert 0 < cycles[0] < cycles[1] < cycles[2] == cycles[3]
    whole = client.completions.create(model="tiny", prompt="w3 w7", max_tokens=3, extra_body={"counters": True})
    assert whole.counters["device"] == counters[-1]["device"]  # type: ignore[attr-defined]


def test_a_temperature_draws_and_a_seed_draws_again(client: openai.OpenAI, expected: str) -> None:
    def drawn(temperature: float, seed: int) -> str:
        answer = client.completions.create(
            model="tiny", prompt="w3 w7", max_tokens=8, temperature=temperature, seed=seed
        )
        return answer.choices[0].text

    assert drawn(0, 1) == drawn(1e-300, 2) == expected
    assert drawn(2, 1) == drawn(2, 1) != expected
    assert len({drawn(2, seed) for seed in range(3)}) > 1


def test_a_stop_ends_the_answer(client: openai.OpenAI, expected: str) -> None:
    word = expected.split()[2]
    answer = client.completions.create(model="tiny", prompt="w3 w7", max_tokens=8, stop=[word, "never"])
    assert answer.choices[0].text.split() == expected.split()[: expected.split().index(word)]
    assert answer.choices[0].finish_reason == "stop"


def test_clients_get_the_same_answers_alone_and_together(client: openai.OpenAI) -> None:
    def ask(seed: int) -> tuple[str, object]:
        answer = client.completions.create(
            model="tiny",
            prompt="w3 " * (seed + 1),
            max_tokens=6,
            temperature=1,
            seed=seed,
            extra_body={"counters": True},
        )
        return answer.choices[0].text, answer.counters["device"]  # type: ignore[attr-defined]

    alone = [ask(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(ask, range(6)))
    assert together == alone
    assert len({text for text, _ in alone}) > 1


def test_clients_that_leave_make_room_for_others(client: openai.OpenAI, expected: str) -> None:
    patient = client.with_options(max_retries=100)  # an answer is given up after the token that is being made
    for _ in range(10):  # more than may be answered at a time
        stream = patient.completions.create(model="tiny", prompt="w3 w7", max_tokens=24, stream=True)
        next(iter(stream))
        stream.close()
    answer = patient.completions.create(model="tiny", prompt="w3 w7", max_tokens=8)
    assert answer.choices[0].text == expected


@pytest.mark.parametrize(
    ("prompt", "tokens", "said"),
    [
        ("w3 " * 41, 1, "the prompt has 41 tokens, and at most 40 fit; give a shorter one"),
        ("w3", 25, "max_tokens is above 24, the most that this server writes; ask for fewer"),
        ("", 1, "the prompt is empty"),
    ],
)
def test_what_is_over_a_limit_is_refused(client: openai.OpenAI, prompt: str, tokens: int, said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        client.completions.create(model="tiny", prompt=prompt, max_tokens=tokens)


def test_messages_that_the_chat_template_refuses_are_refused_in_one_line(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"does not take these messages \(no system\); change them"):
        client.chat.completions.create(model="tiny", messages=[{"role": "system", "content": "w1"}])
