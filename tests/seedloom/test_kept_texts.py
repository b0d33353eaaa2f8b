"""A text on a simulated board that is stopped goes on where it was, by the same command."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import seedloom
from formats.errors import DeviceError
from seedloom.cli import app
from seedloom.interruption import GOES_ON
from sw_runtime.decoder import kept
from sw_runtime.decoder.on_board import BoardDecoder, TokenAnswer

PROMPT, TOKENS, BEFORE = "w3 w7 w9", 4, 3
"""Three tokens are taken before the text is stopped; the whole text takes six."""


@pytest.fixture(autouse=True)
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept texts; simulators stay where they are."""
    folder = tmp_path / "texts"
    folder.mkdir()
    monkeypatch.setattr(kept, "cache_folder", lambda name: folder)
    return folder


def draws(folder: Path) -> None:
    settings = {"do_sample": True, "temperature": 5.0, "top_k": 64}
    (folder / "generation_config.json").write_text(json.dumps(settings))


def generate(folder: Path, *options: str) -> Result:
    arguments = [PROMPT, "--whole-decoder", "--kv-bits", "8", "--tokens", str(TOKENS), "--device", "simulated"]
    return CliRunner().invoke(app, ["generate", str(folder), *arguments, *options])


def expected(folder: Path, seed: int = 0) -> list[str]:
    written = seedloom.generate_by_decoder(folder, PROMPT, TOKENS, board="ulx3s-64mb", kv_bits=8, seed=seed)
    return written.text.split()


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """A text whose board stops answering behind ``BEFORE`` tokens."""
    take = BoardDecoder.take

    def stops(decoder: BoardDecoder, *arguments: Any) -> TokenAnswer:
        if decoder.tokens == BEFORE:
            raise DeviceError("the board stopped")
        return take(decoder, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(BoardDecoder, "take", stops)
        result = generate(folder, *options)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "error: the board stopped")


@pytest.mark.parametrize(("options", "passes"), [((), 3), (("--batch", "2"), 2)])
def test_a_stopped_text_goes_on_behind_its_kept_tokens_and_is_the_same(
    scaled_folder: Path, texts: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], passes: int
) -> None:
    draws(scaled_folder)
    stopped(scaled_folder, monkeypatch, *options)
    (file,) = texts.iterdir()
    added_behind: list[int] = []
    add = kept.KeptText.add

    def counts(text: kept.KeptText, *arguments: Any) -> None:
        added_behind.append(len(text.answers))
        add(text, *arguments)

    monkeypatch.setattr(kept.KeptText, "add", counts)
    again = generate(scaled_folder, *options)
    assert again.exit_code == 0, again.output
    assert again.stdout.split()[-TOKENS:] == expected(scaled_folder)
    assert f"goes on behind {BEFORE} tokens of this text that were kept; to begin anew, delete {file}" in again.stderr
    assert f"for reading {len(PROMPT.split()) + TOKENS - 1 - BEFORE} tokens, the prompt's included: " in again.stderr
    assert added_behind == [passes, passes + 1, passes + 2], "no token is taken twice"
    assert not list(texts.iterdir()), "a whole text is not kept"


def test_another_seed_or_a_file_that_cannot_be_read_begins_anew(
    scaled_folder: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws(scaled_folder)
    stopped(scaled_folder, monkeypatch)
    (file,) = texts.iterdir()
    other = generate(scaled_folder, "--seed", "5")
    assert other.stdout.split()[-TOKENS:] == expected(scaled_folder, seed=5)
    assert "goes on behind" not in other.stderr
    assert list(texts.iterdir()) == [file]
    file.write_bytes(file.read_bytes()[:-9])
    again = generate(scaled_folder)
    assert again.stdout.split()[-TOKENS:] == expected(scaled_folder)
    assert "goes on behind" not in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_token_that_is_under_way_and_says_how_to_go_on(
    number: signal.Signals, scaled_folder: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, printed, start = BoardDecoder.take, tmp_path / "printed.txt", time.monotonic()

    def hangs(decoder: BoardDecoder, *arguments: Any) -> TokenAnswer:
        if decoder.tokens == BEFORE:
            os.kill(os.getpid(), number)
            time.sleep(300)
        return take(decoder, *arguments)

    monkeypatch.setattr(BoardDecoder, "take", hangs)
    child = os.fork()
    if not child:
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT), 2)
        arguments = ["generate", str(scaled_folder), PROMPT, "--whole-decoder", "--kv-bits", "8"]
        app([*arguments, "--tokens", str(TOKENS), "--greedy", "--device", "simulated"])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == GOES_ON
    assert time.monotonic() - start < 290
    line = f"stopped by {number.name}; start the same command again to go on; what is finished is kept"
    assert printed.read_text().splitlines()[-1] == line
    assert len(list(texts.iterdir())) == 1
