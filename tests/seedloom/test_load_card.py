"""``seedloom load-card``: a card's image comes into a board's memory, and is not sent over the line afterwards."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from formats.card_image import card_octets
from seedloom.cli import app
from sw_runtime.decoder.simulated import decoder_board
from sw_runtime.device import serial_board
from sw_runtime.device.serial_board import TERMINAL_SILENCE_SECONDS
from sw_runtime.device.simulator.terminal import TerminalBoard
from tests.seedloom.test_whole_decoder_over_serial import BOARD, TOKENS, Port, expected, generate, image_of


def load(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["load-card", *arguments])


def test_a_model_that_came_from_a_card_is_not_sent_again(
    scaled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_board, "SILENCE_SECONDS", TERMINAL_SILENCE_SECONDS)
    arguments = ["image", str(scaled_folder), "--board", BOARD, "--kv-bits", "8", "--sd", "-o"]
    written = CliRunner().invoke(app, [*arguments, str(tmp_path / "card.img")])
    assert written.exit_code == 0, written.output
    image = image_of(scaled_folder)
    parameters = replace(decoder_board(image), card=True)
    board = TerminalBoard(parameters, (tmp_path / "card.img").read_bytes())
    port = Port(board, tmp_path / "tty")
    loaded = load(port.device)
    assert loaded.exit_code == 0, loaded.output
    assert loaded.stdout == f"{image.memory.nbytes:,} bytes are in the memory, and their checksum is right\n"
    port.replug()
    text = generate(scaled_folder, port.device)
    board.close()
    assert text.exit_code == 0, text.output
    assert text.stdout.split()[-TOKENS:] == [f"w{token}" for token in expected(scaled_folder)]
    assert f"sent 0 of {image.contents.embeddings:,} bytes; the board held the rest" in text.stderr


def test_a_simulated_boards_card_is_a_file(tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    card.write_bytes(card_octets(bytes(range(200))))
    loaded = load("serial:pty:ulx3s-32mb", "--card", str(card))
    assert loaded.exit_code == 0, loaded.output
    assert loaded.stdout == "200 bytes are in the memory, and their checksum is right\n"
    damaged = bytearray(card.read_bytes())
    damaged[600] ^= 1
    card.write_bytes(damaged)
    refused = load("serial:pty:ulx3s-32mb", "--card", str(card))
    assert (refused.exit_code, refused.stdout) == (1, "")
    line = (
        "error: the card of serial:pty:ulx3s-32mb was not loaded: the CRC-32 of the data is wrong; write the card again"
    )
    assert refused.stderr.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["emulated"], "only a board on a serial port has a card slot: serial:/dev/ttyUSB0, not 'emulated'"),
        (["serial:pty"], "the card of a simulated board is a file: name one with --card"),
        (["serial:/dev/no-such-port"], "/dev/no-such-port cannot be opened at 3000000 baud: No such file or directory"),
        (["serial:pty", "--card", "no-such-file"], "no-such-file is no file; give a file that `seedloom image --sd` "),
        (["serial:pty", "--card", "."], ". is no file; give a file that `seedloom image --sd` wrote"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(arguments: list[str], message: str) -> None:
    result = load(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("device", "size", "message"),
    [
        (
            "serial:pty",
            3,
            "card.img: a card has whole blocks of 512 bytes, not 3 bytes; give a file that `seedloom image --sd` wrote",
        ),
        ("serial:pty", 0, "card.img is empty; give a file that `seedloom image --sd` wrote"),
        (
            "serial:pty:ecpix5",
            512,
            "error: no card is loaded into the memory of ecpix5; choose from ulx3s-32mb, ulx3s-64mb",
        ),
        (
            "serial:/dev/ttyUSB0",
            512,
            "error: the card of a board on a port is in its slot; a file can only be one of ",
        ),
    ],
)
def test_a_file_that_is_no_card_or_for_no_simulated_board_is_refused(
    device: str, size: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / "card.img").write_bytes(bytes(size))
    result = load(device, "--card", str(tmp_path / "card.img"))
    assert result.exit_code == 1
    assert message in result.stderr
