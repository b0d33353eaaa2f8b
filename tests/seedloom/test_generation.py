import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

import seedloom
from seedloom.cli import app
from sw_runtime.device.emulated import EmulatedDevice


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def expected_tokens(folder: Path, prompt: list[int], count: int) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(folder)
    seedloom.attach(model, EmulatedDevice())
    output: list[int] = model.generate(torch.tensor([prompt]), max_new_tokens=count, do_sample=False)[0].tolist()
    return output[len(prompt) :]


def test_json_tells_tokens_text_and_rate(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", "--tokens", "3", "--json"])
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    tokens = expected_tokens(folder, [3, 7], 3)
    assert answer["tokens"] == tokens
    assert answer["text"].split() == [f"w{token}" for token in tokens]
    assert (answer["prompt"], answer["device"]) == ("w3 w7", "emulated")
    assert answer["tokens_per_second"] == pytest.approx(3 / answer["seconds"])
    assert answer["counters"]["cycles"] > 0


def test_the_router_may_choose_the_tokens_and_no_logits_come_back(folder: Path) -> None:
    answers = []
    for options in ([], ["--argmax-on-device"]):
        result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", "--tokens", "3", "--json", *options])
        assert result.exit_code == 0, result.output
        answers.append(json.loads(result.stdout))
    on_host, on_device = answers
    assert on_device["tokens"] == on_host["tokens"]
    saved = on_host["counters"]["result_bytes"] - on_device["counters"]["result_bytes"]
    assert saved == 3 * 8 * 120, "a result of 8 bytes for each of 120 words, three times"
    assert on_device["counters"]["router_bytes"] == 3 * 36


def test_the_text_goes_to_stdout_and_the_rate_to_stderr(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", "--tokens", "2"])
    assert result.exit_code == 0
    assert result.stdout.split() == [f"w{token}" for token in [3, 7, *expected_tokens(folder, [3, 7], 2)]]
    assert "2 tokens, " in result.stderr
    assert "a second on the emulated device" in result.stderr
    assert "bytes of results and answers, the prompt's included" in result.stderr


def test_counters_are_what_this_text_cost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = EmulatedDevice()
    used.counters.cycles = 1_000_000
    answers = []
    for device in (EmulatedDevice(), used):
        monkeypatch.setitem(vars(seedloom), "open_device", lambda name, parameters, device=device: device)
        result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--tokens", "2", "--json"])
        answers.append(json.loads(result.stdout)["counters"])
    assert answers[0] == answers[1]
    assert used.counters.cycles == 1_000_000 + answers[0]["cycles"]


def test_an_unknown_device_is_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--device", "gpu"])
    assert result.exit_code == 1
    assert result.stderr.endswith("error: no device 'gpu'; choose from emulated, simulated\n")


def test_a_folder_without_tokenizer_is_refused(folder: Path) -> None:
    for file in (*folder.glob("tokenizer*"), *folder.glob("special_tokens*")):
        file.unlink()
    result = CliRunner().invoke(app, ["generate", str(folder), "w3"])
    assert result.exit_code == 1
    assert result.stderr == f"error: {folder} has no tokenizer; copy the original model's tokenizer files into it\n"
