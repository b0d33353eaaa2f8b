"""``seedloom generate --whole-decoder`` on a simulated board behind a pseudo-terminal."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import seedloom
from hw.board.boards import BOARDS
from seedloom.cli import app
from seedloom.whole_decoder import compiled
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.on_board import BoardDecoder
from sw_runtime.decoder.simulated import decoder_board
from sw_runtime.device import serial_board
from sw_runtime.device.board import identity, memory
from sw_runtime.device.serial_board import TERMINAL_BAUD, TERMINAL_ENGINE, TERMINAL_SILENCE_SECONDS
from sw_runtime.device.simulated_board import board_parameters
from sw_runtime.device.simulator.terminal import TerminalBoard

BOARD = "ulx3s-64mb"
PROMPT, TOKENS = "w3 w7 w9", 4


def image_of(folder: Path) -> Image:
    program, matrices = compiled(seedloom.load(folder)[0], BOARDS[BOARD], 8)
    return Image.of(program, matrices, BOARDS[BOARD])


def expected(folder: Path) -> list[int]:
    return seedloom.generate_by_decoder(folder, PROMPT, TOKENS, greedy=True, board=BOARD, kv_bits=8).tokens


def generate(folder: Path, device: str, *options: str) -> Result:
    arguments = [PROMPT, "--whole-decoder", "--kv-bits", "8", "--tokens", str(TOKENS), "--greedy"]
    return CliRunner().invoke(app, ["generate", str(folder), *arguments, "--device", device, *options])


def refused(folder: Path, device: str) -> str:
    result = generate(folder, device)
    assert result.exit_code == 1, result.output
    return result.stderr.splitlines()[-1]


class Port:
    """A simulated board behind a terminal whose path stays the same when the cable is put back."""

    def __init__(self, board: TerminalBoard, path: Path) -> None:
        self.board, self._path = board, path
        self._link()

    @property
    def device(self) -> str:
        return f"serial:{self._path}@{TERMINAL_BAUD}"

    def replug(self) -> None:
        self.board.plug()
        self._path.unlink()
        self._link()

    def _link(self) -> None:
        self._path.symlink_to(self.board.path)


@pytest.fixture
def port(scaled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    monkeypatch.setattr(serial_board, "SILENCE_SECONDS", TERMINAL_SILENCE_SECONDS)
    board = TerminalBoard(decoder_board(image_of(scaled_folder)))
    yield Port(board, tmp_path / "tty")
    board.close()


def test_tokens_over_the_pseudo_terminal_are_the_emulated_decoders(scaled_folder: Path) -> None:
    result = generate(scaled_folder, "serial:pty")
    assert result.exit_code == 0, result.output
    assert result.stdout.split()[-TOKENS:] == [f"w{token}" for token in expected(scaled_folder)]
    assert f"{BOARD}, simulated, per token: " in result.stderr


def test_without_its_cable_a_text_ends_with_one_line_and_the_same_command_sends_no_weights_again(
    scaled_folder: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, take = image_of(scaled_folder).contents.embeddings, BoardDecoder.take

    unplugging = threading.Thread(target=port.board.unplug)

    def unplugged_at_the_fourth(decoder: BoardDecoder, *arguments: Any) -> Any:
        if decoder.tokens == 3:
            unplugging.start()
        return take(decoder, *arguments)

    monkeypatch.setattr(BoardDecoder, "take", unplugged_at_the_fourth)
    stopped = generate(scaled_folder, port.device)
    assert stopped.exit_code == 1
    assert f"sent {size:,} of {size:,} bytes; the board held the rest" in stopped.stderr
    line = stopped.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert line.endswith("plug the cable in and open the device again")
    unplugging.join()
    monkeypatch.undo()
    monkeypatch.setattr(serial_board, "SILENCE_SECONDS", TERMINAL_SILENCE_SECONDS)
    port.replug()
    again = generate(scaled_folder, port.device)
    assert again.exit_code == 0, again.output
    assert again.stdout.split()[-TOKENS:] == [f"w{token}" for token in expected(scaled_folder)]
    assert f"sent 0 of {size:,} bytes; the board held the rest" in again.stderr
    assert f"{BOARD}, measured, per token: " in again.stderr


def test_an_upload_that_broke_off_goes_on_where_it_was(
    scaled_folder: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "PIECE_BYTES", 1 << 12)
    size, sent = image_of(scaled_folder).contents.embeddings, 0

    def unplugged_in_the_middle(*arguments: Any) -> Iterator[list[int]]:
        nonlocal sent
        for request in writes(*arguments):
            sent += 4 * (len(request) - 2)
            if sent > size // 2:
                port.board.unplug()
            yield request

    writes = memory.writes
    monkeypatch.setattr(memory, "writes", unplugged_in_the_middle)
    assert refused(scaled_folder, port.device).endswith("plug the cable in and open the device again")
    monkeypatch.setattr(memory, "writes", writes)
    port.replug()
    again = generate(scaled_folder, port.device)
    assert again.stdout.split()[-TOKENS:] == [f"w{token}" for token in expected(scaled_folder)]
    (line,) = (line for line in again.stderr.splitlines() if line.startswith("sent "))
    assert 0 < int(line.split()[1].replace(",", "")) < 0.7 * size


def test_a_board_of_other_sources_is_refused(scaled_folder: Path, port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_of = identity.answer_of

    def of_other_sources(*arguments: Any) -> tuple[dict[str, int], list[int]]:
        fields, data = answer_of(*arguments)
        return fields | {"build": 0xABCD}, data

    monkeypatch.setattr(identity, "answer_of", of_other_sources)
    assert "the board was built from other sources, 0000abcd, than this program's" in refused(
        scaled_folder, port.device
    )


def test_a_board_of_other_formats_is_refused(
    scaled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_board, "SILENCE_SECONDS", TERMINAL_SILENCE_SECONDS)
    board = TerminalBoard(board_parameters(BOARD, TERMINAL_ENGINE))
    line = refused(scaled_folder, Port(board, tmp_path / "tty").device)
    board.close()
    assert line.startswith("error: the board has lanes for scaled-4bit, the image is for scaled-2bit, scaled-3bit, sca")
