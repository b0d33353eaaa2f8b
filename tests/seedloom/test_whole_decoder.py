"""``seedloom generate --whole-decoder`` and the function of the same work."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import seedloom
from formats.errors import InputError
from golden_models.integer_decoder.execution import IntegerDecoder
from golden_models.integer_decoder.operations import IntegerMatrix
from hw.board.boards import BOARDS
from seedloom import whole_decoder
from seedloom.cli import app
from seedloom.decoder_devices import DecoderDevice
from seedloom.whole_decoder import compiled
from sw_runtime.decoder.cost import token_cost

Written = Callable[..., Any]


def expected_tokens(path: Path, prompt: list[int], count: int) -> list[int]:
    """The golden model's likeliest tokens."""
    model, _ = seedloom.load(path)
    program, matrices = compiled(model, BOARDS["ecpix5"], 16)
    integers = {place.name: IntegerMatrix(m.integers(), m.unit_scales().bfloat16()) for place, m in matrices.items()}
    decoder, tokens = IntegerDecoder(program, integers), prompt
    found: list[int] = []
    for _ in range(count):
        with torch.no_grad():
            keys = decoder(model.get_input_embeddings()(torch.tensor(tokens)))
        tokens = [int(keys[-1].argmax())]
        found += tokens
    return found


def test_the_likeliest_tokens_are_the_golden_models_and_their_cost_is_told(scaled_folder: Path) -> None:
    arguments = ["generate", str(scaled_folder), "w3 w7", "--whole-decoder", "--tokens", "4", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["tokens"] == expected_tokens(scaled_folder, [3, 7], 4)
    assert answer["text"].split() == [f"w{token}" for token in answer["tokens"]]
    assert answer["context"] == 64
    assert answer["board"] == "ecpix5"
    model, _ = seedloom.load(scaled_folder)
    board = BOARDS["ecpix5"]
    cost = token_cost(compiled(model, board, 16)[0], board, seen=5)
    assert answer["derived"] == pytest.approx(vars(cost))


def test_the_text_is_printed_and_what_is_derived_is_called_so(scaled_folder: Path) -> None:
    arguments = ["generate", str(scaled_folder), "w3", "--whole-decoder", "--tokens", "2", "--board", "ulx3s-32mb"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("w3 w")
    assert "2 tokens" in result.stderr
    assert "context of 64 tokens" in result.stderr
    assert "ulx3s-32mb, derived for the last token: " in result.stderr
    assert "bytes of memory, 268 bytes on the link" in result.stderr, (
        "64 words and an exponent in, a token and its key out"
    )


def test_the_prompt_is_shown_when_it_is_read_and_opening_is_no_time_of_writing(
    scaled_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    opened, following = whole_decoder._opened, whole_decoder.following_tokens

    def opening(*arguments: Any) -> DecoderDevice:
        events.append("open")
        return opened(*arguments)

    def reading(*arguments: Any) -> Iterator[int]:
        for token in following(*arguments):
            events.append("read")
            yield token

    class Streamer:
        def put(self, tokens: torch.Tensor) -> None:
            events.append("show")

        def end(self) -> None:
            events.append("end")

    monkeypatch.setattr(whole_decoder, "_opened", opening)
    monkeypatch.setattr(whole_decoder, "following_tokens", reading)
    monkeypatch.setattr(whole_decoder, "time", SimpleNamespace(perf_counter=lambda: float(len(events))))
    written = seedloom.generate_by_decoder(scaled_folder, "w3", 2, streamer=lambda tokenizer: Streamer())
    assert events == ["open", "read", "show", "show", "read", "show", "end"]
    assert written.seconds == len(events) - 1


def test_drawn_tokens_follow_the_settings_and_the_seed(scaled_folder: Path) -> None:
    settings = {"do_sample": True, "temperature": 5.0, "top_k": 40, "top_p": 0.99}
    (scaled_folder / "generation_config.json").write_text(json.dumps(settings))
    first, again, other = (seedloom.generate_by_decoder(scaled_folder, "w3", 8, seed=seed).tokens for seed in (1, 1, 2))
    assert first == again != other
    greedy = seedloom.generate_by_decoder(scaled_folder, "w3", 8, greedy=True)
    assert greedy.tokens == expected_tokens(scaled_folder, [3], 8)
    assert greedy.derived.link_bytes == 260 + 8


def test_the_simulated_device_writes_the_emulated_ones_tokens_and_counts_its_cycles(
    scaled_folder: Path,
) -> None:
    (scaled_folder / "generation_config.json").write_text(json.dumps({"do_sample": True}))
    arguments = ["w3 w7 w9", "--whole-decoder", "--kv-bits", "8", "--tokens", "4", "--greedy"]
    result = CliRunner().invoke(app, ["generate", str(scaled_folder), *arguments, "--device", "simulated", "--json"])
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    emulated = seedloom.generate_by_decoder(scaled_folder, "w3 w7 w9", 4, greedy=True, board="ulx3s-64mb", kv_bits=8)
    assert written["tokens"] == emulated.tokens
    assert written["board"] == "ulx3s-64mb"
    counted = written["counted"]
    assert counted["cycles"] * counted["tokens_per_second"] == pytest.approx(100e6)
    model, _ = seedloom.load(scaled_folder)
    board = BOARDS["ulx3s-64mb"]
    program = compiled(model, board, 8)[0]
    unasked, asked = (token_cost(program, board, 3, answers).memory_bytes for answers in (0, 1))
    moved = round(
        (2 * unasked + 4 * asked) / 6
    )  # six tokens, the third in the middle; two of the prompt's without head
    assert counted["memory_bytes"] == moved
    assert counted["memory_busy"] == pytest.approx(moved / 2 / counted["cycles"]), "two bytes a cycle"
    assert "for reading 6 tokens, the prompt's included: " in result.stderr
    assert emulated.counted is None
    shown = CliRunner().invoke(app, ["generate", str(scaled_folder), *arguments, "--device", "simulated"])
    assert shown.stdout.split()[-4:] == emulated.text.split()
    assert f"ulx3s-64mb, simulated, per token: {counted['cycles']:,.0f} cycles, " in shown.stderr


def test_a_prompt_that_is_read_together_gives_the_same_text_in_fewer_cycles(scaled_folder: Path) -> None:
    written = [
        seedloom.generate_by_decoder(
            scaled_folder, "w3 w7 w9 w2", 2, greedy=True, kv_bits=8, device="simulated", batch=batch
        )
        for batch in (1, 2)
    ]
    assert written[0].tokens == written[1].tokens
    one_by_one, together = (each.counted for each in written)
    assert one_by_one
    assert together
    assert together.cycles < 0.9 * one_by_one.cycles
    assert together.memory_bytes < one_by_one.memory_bytes


@pytest.mark.parametrize("batch", ["0", "17"])
def test_a_batch_that_no_engine_has_is_refused(batch: str, scaled_folder: Path) -> None:
    arguments = ["generate", str(scaled_folder), "w3", "--whole-decoder", "--batch", batch]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"error: --batch must be 1 to 16, not {batch}"


def test_the_program_that_is_named_writes_the_text_and_costs_less(scaled_folder: Path) -> None:
    texts = {}
    for name in ("dense", "exit-1", "expert-1-of-4", "expert-4-of-4"):
        options = ["--whole-decoder", "--tokens", "8", "--greedy", "--program", name, "--json"]
        result = CliRunner().invoke(app, ["generate", str(scaled_folder), "w3 w7", *options])
        assert result.exit_code == 0, result.output
        texts[name] = json.loads(result.stdout)
    cost = {name: text["derived"]["memory_bytes"] for name, text in texts.items()}
    assert texts["dense"]["tokens"] == texts["expert-4-of-4"]["tokens"] == expected_tokens(scaled_folder, [3, 7], 8)
    assert cost["dense"] == cost["expert-4-of-4"] > max(cost["exit-1"], cost["expert-1-of-4"])
    assert len({tuple(text["tokens"]) for text in texts.values()}) == 3


def test_tokens_that_are_drawn_are_the_same_on_the_simulated_device(scaled_folder: Path) -> None:
    settings = {"do_sample": True, "temperature": 5.0, "top_k": 64, "top_p": 0.99}
    (scaled_folder / "generation_config.json").write_text(json.dumps(settings))
    options: dict[str, Any] = {"board": "ulx3s-64mb", "kv_bits": 8, "seed": 3}
    simulated, emulated, greedy = (
        seedloom.generate_by_decoder(scaled_folder, "w3 w7 w9", 4, greedy, device=device, **options)
        for device, greedy in (("simulated", False), ("emulated", False), ("emulated", True))
    )
    assert simulated.tokens == emulated.tokens != greedy.tokens
    assert simulated.derived.link_bytes == 260 + 64 * 8


def refused(path: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["generate", str(path), "w3", *options])
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--whole-decoder", "--device", "host"],
            "--whole-decoder runs on the device emulated, simulated, serial:PORT or serial:pty, not on host",
        ),
        (["--whole-decoder", "--device", "serial"], "serial:PORT or serial:pty, not on serial"),
        (["--whole-decoder", "--device", "emulated:x"], "serial:PORT or serial:pty, not on emulated:x"),
        (
            ["--whole-decoder", "--device", "serial:pty:ulx3s-32mb", "--board", "ulx3s-64mb"],
            "the device is ulx3s-32mb, and --board says ulx3s-64mb; give one of them",
        ),
        (["--whole-decoder", "--device", "serial:pty:ulx4s"], "no board 'ulx4s'; choose from ulx3s-32mb, "),
        (
            ["--whole-decoder", "--device", "serial:/dev/no-such-port"],
            "/dev/no-such-port cannot be opened at 3000000 baud: No such file or directory",
        ),
        (["--whole-decoder", "--prune", "lazyllm"], "--prune is not done by --whole-decoder; leave one of the two out"),
        (["--whole-decoder", "--board", "none"], "no board 'none'; choose from ulx3s-32mb, "),
        (["--whole-decoder", "--board", ""], "no board ''; choose from ulx3s-32mb, "),
        (
            ["--whole-decoder", "--device", "serial:pty:ulx3s-32mb", "--board", ""],
            "the device is ulx3s-32mb, and --board says ; give one of them",
        ),
        (["--whole-decoder", "--program", ""], "no program is called ''; give one of dense, exit-LAYERS, "),
        (["--whole-decoder", "--program", "exit-\uff11"], "no program is called 'exit-\uff11'; give one of dense, "),
        (["--whole-decoder", "--program", "expert-1-of-\u0664"], "no program is called 'expert-1-of-\u0664'; give"),
        (["--whole-decoder", "--kv-bits", "4"], "--kv-bits must be 8 or 16, the bits of a cached key or value, not 4"),
        (["--whole-decoder", "--tokens", "64"], "the prompt has 1 token and 64 are to follow, and the model has 64"),
        (["--board", "ecpix5"], "--board needs --whole-decoder; give both, or leave it out"),
        (["--kv-bits", "8"], "--kv-bits needs --whole-decoder"),
        (["--seed", "8"], "--seed needs --whole-decoder"),
        (["--batch", "2"], "--batch needs --whole-decoder"),
        (["--program", "exit-1"], "--program needs --whole-decoder"),
        (["--whole-decoder", "--program", "draft"], "no program is called 'draft'; give one of dense, exit-LAYERS, "),
        (["--whole-decoder", "--program", "exit-9"], "--program must be exit-1 to exit-1, not exit-9"),
        (["--whole-decoder", "--program", "expert-1-of-0"], "a program is one expert of 1 or more, not expert-1-of-0"),
        (["--whole-decoder", "--program", "expert-3-of-2"], "experts are expert-1-of-2 to expert-2-of-2, not expert-3"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(scaled_folder: Path, options: list[str], message: str) -> None:
    assert message in refused(scaled_folder, *options)


def test_no_tokens_are_no_text(scaled_folder: Path) -> None:
    with pytest.raises(InputError, match="tokens must be 1 or more, not 0"):
        seedloom.generate_by_decoder(scaled_folder, "w3", 0)


def test_a_prompt_longer_than_the_context_of_a_board_is_one_line(
    scaled_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = seedloom.make_image(scaled_folder, "ecpix5").contents
    small = contents.areas[-1].address + 3000
    monkeypatch.setitem(BOARDS, "ecpix5", replace(BOARDS["ecpix5"], size_bytes=small))
    context = seedloom.make_image(scaled_folder, "ecpix5").contents.context
    assert 0 < context < 20
    with pytest.raises(
        InputError, match=f"the prompt has 20 tokens and 32 are to follow, and the model has {context} pos"
    ):
        seedloom.generate_by_decoder(scaled_folder, " ".join(["w3"] * 20), 32)


def test_a_layer_that_no_program_multiplies_by_is_refused_by_name(tiny_model: Callable[..., Path]) -> None:
    assert "model.layers.0.self_attn.q_proj is stored as paper-4bit" in refused(tiny_model(), "--whole-decoder")


def test_settings_that_a_program_does_not_follow_are_refused(scaled_folder: Path) -> None:
    (scaled_folder / "generation_config.json").write_text(json.dumps({"repetition_penalty": 1.2}))
    assert "asks for repetition_penalty 1.2, which --whole-decoder does not do" in refused(
        scaled_folder, "--whole-decoder"
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"max_position_embeddings": -5},
            "error: config.json says max_position_embeddings -5; set it to the model's, ",
        ),
        ({"rms_norm_eps": 0.0}, "error: config.json says rms_norm_eps 0.0; a norm"),
        ({"rms_norm_eps": -1e-5}, "error: config.json says rms_norm_eps -1e-05; a norm of a program needs a number "),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 0.0}},
            "error: the rotary frequencies are not fini",
        ),
    ],
)
def test_what_no_board_would_run_is_refused_in_the_same_words_by_image_and_emulated_device(
    scaled_folder: Path, entry: dict[str, Any], message: str
) -> None:
    config = json.loads((scaled_folder / "config.json").read_text())
    (scaled_folder / "config.json").write_text(json.dumps(config | entry))
    written = refused(scaled_folder, "--whole-decoder")
    image = CliRunner().invoke(app, ["image", str(scaled_folder), "--board", "ecpix5", "-o", str(scaled_folder / "x")])
    assert written.startswith(message)
    assert image.stderr.splitlines()[-1] == written


def test_a_program_that_is_not_sound_runs_on_no_device(scaled_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sw_runtime.decoder.image.writing.violations", lambda *parts: iter(["command 1, ADD: wrong"]))
    message = "error: no board would run this: program, command 1, ADD: wrong"
    for device in ("emulated", "simulated", "serial:pty"):
        assert refused(scaled_folder, "--whole-decoder", "--device", device) == message


def test_a_longer_context_than_hardware_counts_is_cut(scaled_folder: Path) -> None:
    config = json.loads((scaled_folder / "config.json").read_text()) | {"max_position_embeddings": 10**9}
    (scaled_folder / "config.json").write_text(json.dumps(config))
    assert seedloom.generate_by_decoder(scaled_folder, "w3", 2, greedy=True).context == 65535


def test_a_setting_of_drawing_that_is_no_number_is_refused_by_name(scaled_folder: Path) -> None:
    settings = {"do_sample": True, "temperature": "hot"}
    (scaled_folder / "generation_config.json").write_text(json.dumps(settings))
    message = "error: generation_config.json asks for temperature 'hot', which is not a number; correct the entry"
    assert refused(scaled_folder, "--whole-decoder") == message
