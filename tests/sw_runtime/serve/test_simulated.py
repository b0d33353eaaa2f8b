"""The server over the simulated device, as clients of OpenAI's API see it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from tests.sw_runtime.serve.processes import Server, serving

PROMPTS = ("w3 w7", "w5 w5 w9")


def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def whole(server: Server, prompt: str) -> str:
    return client(server).completions.create(model="compressed", prompt=prompt, max_tokens=4).choices[0].text


def streamed(server: Server, prompt: str) -> str:
    chunks = client(server).completions.create(model="compressed", prompt=prompt, max_tokens=4, stream=True)
    return "".join(chunk.choices[0].text for chunk in chunks)


@pytest.mark.usefixtures("narrow_port", "one_format")
def test_the_simulated_device_answers_as_the_emulated_one_two_clients_at_once_and_after_one_has_left(
    tiny_model: Callable[..., Path],
) -> None:
    folder = tiny_model()
    with serving(folder) as emulated:
        expected = [whole(emulated, prompt) for prompt in PROMPTS]
    assert len(set(expected)) == len(PROMPTS)
    with serving(folder, "--device", "simulated") as server:
        assert server.printed().splitlines()[-1].startswith("compressed on simulated: ")
        left = client(server).completions.create(model="compressed", prompt="w3", max_tokens=30, stream=True)
        next(iter(left))
        left.close()
        for ask in (whole, streamed):
            with ThreadPoolExecutor(len(PROMPTS)) as clients:
                assert list(clients.map(lambda prompt, ask=ask: ask(server, prompt), PROMPTS)) == expected
    assert "Traceback" not in server.printed()
