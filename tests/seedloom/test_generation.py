import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

import seedloom
from seedloom import api
from seedloom.cli import app
from sw_runtime.device.emulated import EmulatedDevice
from tests.conftest import OTHER_FORMATS

DEVICES = ("emulated", "simulated")

SMALL_SIMULATOR = pytest.mark.usefixtures("narrow_port", "one_format")
"""Five formats on the usual port take minutes to compile."""


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


def test_results_of_24_bits_are_fewer_bytes(folder: Path) -> None:
    answers = []
    for options in ([], ["--result-bits", "64"], ["--result-bits", "24"]):
        result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", "--tokens", "3", "--json", *options])
        assert result.exit_code == 0, result.output
        answers.append(json.loads(result.stdout))
    exact, the_same, rounded = answers
    assert exact["counters"] == the_same["counters"]
    assert exact["tokens"] == the_same["tokens"] == rounded["tokens"]
    assert 8 * rounded["counters"]["result_bytes"] == 3 * exact["counters"]["result_bytes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--result-bits", "32"], "--result-bits must be 64, exact, or 24, rounded, not 32"),
        (["--result-bits", "24", "--device", "host"], "result_bits is a device's option; choose a device instead of"),
        (["--result-bits", "24", "--whole-decoder"], "--result-bits is not done by --whole-decoder"),
        (["--result-bits", "24", "--device", "simulated"], "got an unexpected keyword argument 'result_bits'"),
    ],
)
def test_what_hands_over_no_rounded_results_is_refused(folder: Path, options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", *options])
    assert result.exit_code == 1
    assert message in result.stderr


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


def test_a_board_and_its_memory_write_what_the_emulated_device_writes(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., Path]
) -> None:
    monkeypatch.setitem(OTHER_FORMATS, "model.layers.1.mlp.down_proj", "paper-4bit")  # 3 bits need a wider port
    folder, answers = tiny_model(), []
    for device in ("emulated", "simulated-board:ulx3s-64mb"):
        options = ["--tokens", "3", "--json", "--device", device]
        result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", *options])
        assert result.exit_code == 0, result.output
        answers.append(json.loads(result.stdout))
    emulated, board = answers
    assert board["tokens"] == emulated["tokens"]
    assert board["counters"]["result_bytes"] == emulated["counters"]["result_bytes"]
    assert board["counters"]["cycles"] > board["counters"]["port_busy_cycles"] > emulated["counters"]["cycles"]


def test_a_board_behind_a_serial_line_writes_what_the_emulated_device_writes(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., Path]
) -> None:
    for layer in OTHER_FORMATS:  # one format, as the simulator of all tests of the line
        monkeypatch.setitem(OTHER_FORMATS, layer, "scaled-4bit")
    folder, answers = tiny_model(), []
    for device in ("emulated", "serial:pty"):
        options = ["--tokens", "2", "--json", "--device", device]
        result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", *options])
        assert result.exit_code == 0, result.output
        answers.append(json.loads(result.stdout))
    emulated, board = answers
    assert board["tokens"] == emulated["tokens"]


def answer_of(folder: Path, *options: str, tokens: int = 4) -> dict[str, Any]:
    prompt = " ".join(f"w{word}" for word in range(10, 30))
    result = CliRunner().invoke(app, ["generate", str(folder), prompt, "--tokens", str(tokens), "--json", *options])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.fixture
def fitted(folder: Path, tmp_path: Path) -> Path:
    """A folder with its fast stream."""
    words = tmp_path / "words.txt"
    words.write_text(" ".join(f"w{(7 * place * place) % 120}" for place in range(5000)))
    result = CliRunner().invoke(app, ["fit-m2r2", str(folder), "--calibration", str(words)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{folder / 'm2r2.safetensors'}: generate with --exit m2r2 or --speculate 1 to 15\n"
    return folder


@SMALL_SIMULATOR
def test_a_pruned_prompt_computes_less_on_either_device(folder: Path) -> None:
    emulated, simulated = (answer_of(folder, "--prune", "lazyllm", "--device", name) for name in DEVICES)
    assert emulated["tokens"] == simulated["tokens"]
    assert emulated["figures"] == simulated["figures"]
    assert emulated["figures"]["prompt_computed_for_first_token"] == pytest.approx((20 + 14) / 40)
    assert emulated["counters"]["cycles"] == simulated["counters"]["cycles"]
    first, plain = (answer_of(folder, *options, tokens=1) for options in (["--prune", "lazyllm"], []))
    assert first["counters"]["cycles"] < plain["counters"]["cycles"]
    assert plain["figures"] == {}


@SMALL_SIMULATOR
def test_drafted_tokens_are_those_of_plain_generation_on_either_device(fitted: Path) -> None:
    plain = answer_of(fitted)
    emulated, simulated = (answer_of(fitted, "--speculate", "1", "--device", name) for name in DEVICES)
    assert emulated["tokens"] == simulated["tokens"] == plain["tokens"]
    assert emulated["figures"] == simulated["figures"]
    assert emulated["figures"]["rounds"] >= 1


@SMALL_SIMULATOR
def test_tokens_that_leave_early_leave_alike_on_either_device(fitted: Path) -> None:
    emulated, simulated = (answer_of(fitted, "--exit", "m2r2", "--device", name) for name in DEVICES)
    assert emulated["tokens"] == simulated["tokens"]
    assert emulated["figures"] == simulated["figures"]
    assert 1 <= emulated["figures"]["mean_layers"] <= 2


def test_figures_of_a_method_go_to_stderr(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7 w9", "--tokens", "1", "--prune", "lazyllm"])
    assert "prompt computed for first token: 1\n" in result.stderr


def test_two_methods_at_once_are_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--prune", "lazyllm", "--argmax-on-device"])
    assert result.exit_code == 1
    assert result.stderr == "error: choose one of --argmax-on-device, --prune, --exit and --speculate\n"


@pytest.mark.parametrize("options", [["--exit", "m2r2"], ["--speculate", "2"]])
def test_a_folder_without_fast_stream_is_refused_before_a_device_is_opened(
    folder: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(vars(seedloom), "open_device")
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", *options])
    assert result.exit_code == 1
    assert result.stderr.endswith(f"has no m2r2.safetensors; make it with: seedloom fit-m2r2 {folder}\n")


def test_an_unknown_device_is_refused_before_the_model_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(api, "load")
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--device", "zz"])
    assert (result.exit_code, result.stderr) == (
        1,
        "error: no device 'zz'; choose from host, host:compressed, emulated, serial, simulated, simulated-board\n",
    )


def test_the_text_goes_to_stdout_and_the_rate_to_stderr(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", "--tokens", "2"])
    assert result.exit_code == 0
    assert result.stdout.split() == [f"w{token}" for token in [3, 7, *expected_tokens(folder, [3, 7], 2)]]
    assert "2 tokens, " in result.stderr
    assert "per second on this machine (measured)\n" in result.stderr
    assert re.search(
        r"^emulated device, the prompt included: [\d,]+ cycles, [\d,]+ bytes of results and answers$",
        result.stderr,
        re.MULTILINE,
    )


def test_the_host_has_a_rate_and_counts_nothing(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3 w7", "--tokens", "2", "--device", "host"])
    assert result.exit_code == 0
    assert result.stderr.endswith("per second on this machine (measured)\n")
    assert "device" not in result.stderr


def test_counters_are_what_this_text_cost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = EmulatedDevice()
    used.counters.cycles = 1_000_000
    answers = []
    for device in (EmulatedDevice(), used):
        monkeypatch.setitem(vars(seedloom), "open_device", lambda name, device=device, **_: device)
        result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--tokens", "2", "--json"])
        answers.append(json.loads(result.stdout)["counters"])
    assert answers[0] == answers[1]
    assert used.counters.cycles == 1_000_000 + answers[0]["cycles"]


def test_an_unknown_device_is_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--device", "gpu"])
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "error: no device 'gpu'; choose from host, host:compressed, emulated, serial, simulated, simulated-board\n"
    )


def test_a_folder_without_tokenizer_is_refused(folder: Path) -> None:
    for file in (*folder.glob("tokenizer*"), *folder.glob("special_tokens*")):
        file.unlink()
    result = CliRunner().invoke(app, ["generate", str(folder), "w3"])
    assert result.exit_code == 1
    assert (
        result.stderr
        == f"error: {folder} has no tokenizer that can be read; copy the original model's tokenizer files into it\n"
    )


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "error: the prompt is empty, and this model's tokenizer begins no text by itself; give a word\n"),
        (
            "w1 " * 60,
            "error: the prompt has 60 tokens and 8 are to follow, and the model has 64 positions; give a shorter",
        ),
    ],
)
def test_a_prompt_that_the_model_cannot_take_is_refused_in_one_line(folder: Path, prompt: str, said: str) -> None:
    result = CliRunner().invoke(app, ["generate", str(folder), prompt, "--tokens", "8"])
    assert result.exit_code == 1
    assert said in result.stderr


def settings(folder: Path, **entries: Any) -> None:
    (folder / "generation_config.json").write_text(json.dumps(entries))


def test_what_generation_config_asks_for_is_done(folder: Path) -> None:
    plain = answer_of(folder)["tokens"]
    settings(folder, max_new_tokens=3, repetition_penalty=5.0, return_dict_in_generate=True)
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--json"])
    assert len(json.loads(result.stdout)["tokens"]) == 3
    settings(folder, do_sample=True, temperature=100.0, eos_token_id=[plain[1], 119])
    assert answer_of(folder, "--greedy")["tokens"] == plain[: plain.index(plain[1]) + 1]
    torch.manual_seed(0)
    assert answer_of(folder)["tokens"] != answer_of(folder, "--greedy")["tokens"]


def test_what_a_method_does_not_do_is_refused_before_a_device_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(vars(seedloom), "open_device")
    settings(folder, repetition_penalty=5.0)
    result = CliRunner().invoke(app, ["generate", str(folder), "w3", "--prune", "lazyllm"])
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "error: generation_config.json asks for repetition_penalty 5.0, which --prune does not do; "
        "leave out --prune, or delete the entry\n"
    )
