"""``seedloom chat``: talk with a compressed model in the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from signal import SIGINT
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from formats.errors import InputError
from formats.plurals import number_of
from seedloom.generation import Device
from seedloom.options import Folder
from sw_runtime.signals import signals_answered

if TYPE_CHECKING:
    from sw_runtime.serve.limits import Limits
    from sw_runtime.serve.writer import Piece, Writer


def chat(
    folder: Folder,
    device: Device = "emulated",
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of a reply; default: 512, or half of the model's positions.")
    ] = None,
) -> None:
    """Talk with a model, a line at a time. Ctrl-C ends a reply, Ctrl-D the chat.

    The folder is not verified first; `seedloom verify` does that.
    """
    from seedloom.api import check_device, load, placed
    from sw_runtime.methods.generation_settings import check_settings
    from sw_runtime.serve.chat_template import chat_tokens
    from sw_runtime.serve.limits import Limits
    from sw_runtime.serve.writer import Writer

    check_device(device)
    model, tokenizer = load(folder)
    check_settings(model.generation_config, None, greedy=False)
    chat_tokens(tokenizer, [{"role": "user", "content": "Hello"}])  # before a device is opened and filled
    limits = Limits.within(getattr(model.config, "max_position_embeddings", None), None, tokens, together=1)
    with placed(model, device) as opened:
        talk = Talk(Writer(model, tokenizer, opened), limits)
        for line in _lines():
            if line.strip():
                typer.echo(talk.answer(line), err=True)


def _lines() -> Iterator[str]:
    """What the user types, to Ctrl-D; Ctrl-C gives a new line. Bytes that are no text are refused with their line."""
    if sys.stdin is None:  # closed
        return
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    if sys.stdin.isatty():
        import readline  # noqa: F401  the arrow keys work
    while True:
        try:
            yield input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        except KeyboardInterrupt:
            typer.echo("\n(Ctrl-D ends the chat)", err=True)


class Talk:
    """What was said, and who answers."""

    def __init__(self, writer: "Writer", limits: "Limits") -> None:
        self._writer, self._limits = writer, limits
        self.messages: list[dict[str, str]] = []

    def answer(self, line: str) -> str:
        """Print the reply to a line as it is written; returns what it took, or why there is none, in words."""
        from sw_runtime.serve.writer import AbandonedError, Wanted

        self.messages.append({"role": "user", "content": line})
        try:
            wanted = Wanted(self._prompt(), self._limits.new)
        except InputError as error:
            del self.messages[-1]
            return f"error: {error}"
        told: list[Piece] = []

        def tell(piece: "Piece") -> None:
            told.append(piece)
            typer.echo(piece.text, nl=False)

        with _interruptible() as interrupted, suppress(AbandonedError):
            self._writer.write(wanted, tell, interrupted)
        typer.echo()
        self.messages.append({"role": "assistant", "content": "".join(piece.text for piece in told)})
        return cost(told[-1])

    def _prompt(self) -> list[int]:
        """The chat's tokens, without the oldest messages where it is too long."""
        from sw_runtime.serve.chat_template import chat_tokens

        while len(prompt := chat_tokens(self._writer.tokenizer, self.messages)) > self._limits.prompt:
            if len(self.messages) == 1:
                self._limits.new_tokens(len(prompt), None)
            del self.messages[:2]
            typer.echo("(the chat is too long for the model: its oldest messages are left out)", err=True)
        return prompt


@contextmanager
def _interruptible() -> Iterator[Event]:
    """An event that Ctrl-C sets."""
    interrupted = Event()
    with signals_answered(lambda _: interrupted.set(), (SIGINT,)):
        yield interrupted


def cost(last: "Piece") -> str:
    """What a reply took, in words."""
    said = f"({number_of(last.tokens, 'token')}, {last.tokens / last.seconds:.1f} per second"
    if last.spent is None:
        return f"{said})"
    moved = last.spent.weight_bytes + last.spent.activation_bytes
    return f"{said}; {last.spent.cycles:,} cycles and {moved:,} bytes from memory, the prompt's included)"
