import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
import torch
from typer.testing import CliRunner

import seedloom
from seedloom.chat import Talk, _lines, cost
from seedloom.cli import app
from sw_runtime.device.protocol import Counters
from sw_runtime.serve.limits import Limits
from sw_runtime.serve.writer import AbandonedError, Piece, Wanted, Writer


def reply(folder: Path, *messages: str) -> str:
    """Three likeliest words after messages, joined as the folder's template does."""
    model, tokenizer = seedloom.load(folder)
    prompt = tokenizer(" ".join(messages))["input_ids"]
    tokens = model.generate(torch.tensor([prompt]), max_new_tokens=3, do_sample=False)[0, len(prompt) :]
    text: str = tokenizer.decode(tokens)
    return text


def test_each_line_is_answered_with_what_was_said_before(chatting: Path) -> None:
    result = CliRunner().invoke(
        app, ["chat", str(chatting), "--device", "host", "--tokens", "3"], input="w3 w7\n\nw5\n"
    )
    assert result.exit_code == 0, result.output
    first = reply(chatting, "w3 w7")
    assert result.stdout == f"{first}\n{reply(chatting, 'w3 w7', first, 'w5')}\n"
    assert result.stderr.count("(3 tokens, ") == 2


def test_a_model_without_a_chat_template_is_refused(tiny_model: Callable[..., Path]) -> None:
    result = CliRunner().invoke(app, ["chat", str(tiny_model())])
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "error: this model has no chat template; ask for the continuation of a text: /v1/completions, "
        "`seedloom generate`\n"
    )


def test_control_c_while_nothing_is_written_goes_on(chatting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([KeyboardInterrupt, EOFError])

    def interrupted(_: str) -> str:
        raise next(typed)

    monkeypatch.setattr("builtins.input", interrupted)
    result = CliRunner().invoke(app, ["chat", str(chatting), "--device", "host"])
    assert result.exit_code == 0
    assert result.stderr.endswith("\n(Ctrl-D ends the chat)\n")


def test_a_line_that_is_no_text_is_refused_and_the_chat_goes_on(chatting: Path) -> None:
    result = CliRunner().invoke(app, ["chat", str(chatting), "--device", "host", "--tokens", "3"], input=b"\xff\nw5\n")
    assert result.exit_code == 0, result.output
    assert r"error: message is no UTF-8 text (character 1 is '\udcff'); convert it" in result.stderr
    assert result.stdout == f"{reply(chatting, 'w5')}\n"


def test_without_an_input_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert list(_lines()) == []


class Interrupted:
    """A writer whose user types Ctrl-C after a word."""

    tokenizer: object

    def __init__(self, tokenizer: object) -> None:
        self.tokenizer = tokenizer

    def write(self, wanted: Wanted, tell: Callable[[Piece], None], gone: Event) -> None:
        tell(Piece("w1", 1, 0.5, None))
        os.kill(os.getpid(), signal.SIGINT)
        assert gone.is_set()
        raise AbandonedError


def test_control_c_ends_a_reply_and_what_was_written_counts_as_said(chatting: Path) -> None:
    talk = Talk(Interrupted(seedloom.load(chatting)[1]), Limits(32, 32, 1))  # type: ignore[arg-type]
    before = signal.getsignal(signal.SIGINT)
    assert talk.answer("w3") == "(1 token, 2.0 per second)"
    assert talk.messages == [{"role": "user", "content": "w3"}, {"role": "assistant", "content": "w1"}]
    assert signal.getsignal(signal.SIGINT) == before


@pytest.fixture
def short(chatting: Path) -> Talk:
    """Prompts of 6 tokens at most, 2 new ones."""
    return Talk(Writer(*seedloom.load(chatting)), Limits(6, 2, 1))


def test_a_chat_that_is_too_long_loses_its_oldest_messages(short: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("w1 w2", "w3 w4", "w5 w6"):
        assert short.answer(line).startswith("(2 tokens")
    assert [message["content"] for message in short.messages if message["role"] == "user"] == ["w3 w4", "w5 w6"]
    assert capsys.readouterr().err == "(the chat is too long for the model: its oldest messages are left out)\n"


def test_a_line_that_is_too_long_is_refused_and_the_chat_goes_on(short: Talk) -> None:
    assert short.answer("w1 " * 7) == "error: the prompt has 7 tokens, and at most 6 fit; give a shorter one"
    assert short.messages == []
    assert short.answer("w1").startswith("(2 tokens")


def test_what_a_reply_took_on_a_device() -> None:
    last = Piece("", 4, 2.0, Counters(cycles=5000, weight_bytes=1000, activation_bytes=24))
    assert cost(last) == "(4 tokens, 2.0 per second; 5,000 cycles and 1,024 bytes from memory, the prompt's included)"


def test_an_unknown_device_is_refused_before_anything_is_loaded() -> None:
    result = CliRunner().invoke(app, ["chat", "no-such-folder", "--device", "gpu"])
    assert (
        result.stderr
        == "error: no device 'gpu'; choose from host, host:compressed, emulated, serial, simulated, simulated-board\n"
    )
