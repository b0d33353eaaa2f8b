"""``seedloom image`` writes a board's memory and prints its map."""

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import seedloom
from formats.card_image import BLOCK_BYTES, card_octets, header_octets, memory_octets
from formats.decoder.words import VERSION
from hw.board.boards import BOARDS
from seedloom.cli import app
from seedloom.whole_decoder import compiled
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image


def test_an_image_is_written_shown_and_executed(scaled_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.img"
    arguments = ["image", str(scaled_folder), "--board", "ulx3s-64mb", "-o", str(path), "--kv-bits", "8"]
    written = CliRunner().invoke(app, arguments)
    assert written.exit_code == 0, written.output
    for doing in ("reading the layers", "compiling the layers", "packing the weights"):
        assert f"{doing}: 100%" in written.stderr
    shown = CliRunner().invoke(app, ["image", "--show", str(path)])
    assert shown.stdout == written.stdout
    first, _, *areas = shown.stdout.splitlines()
    assert first == (
        "ulx3s-64mb, 67,108,864 bytes: context 64, keys and values of 8 bits, scaled-2bit, scaled-3bit, scaled-4bit; "
        f"1 token at once; version {VERSION}"
    )
    assert [line.split()[0] for line in areas] == ["program", "constants", "rotary", "weights", "embeddings", "cache"]
    assert areas[-1].endswith("not in the image")
    model, _ = seedloom.load(scaled_folder)
    program, matrices = compiled(model, BOARDS["ulx3s-64mb"], 8)
    embeddings = model.get_input_embeddings()(torch.tensor([3, 7, 9])).detach().numpy()
    reader = Image.load(path).reader()
    from_bytes = EmulatedDecoder(reader.program(), reader.matrices()).take(embeddings, answers=3)
    assert np.array_equal(from_bytes, EmulatedDecoder(program, matrices).take(embeddings, answers=3))


def test_an_image_for_several_tokens_at_once_has_room_for_their_embeddings(scaled_folder: Path, tmp_path: Path) -> None:
    sizes = []
    for batch in (1, 3):
        path = tmp_path / f"{batch}.img"
        arguments = ["image", str(scaled_folder), "--board", "ulx3s-64mb", "-o", str(path), "--batch", str(batch)]
        written = CliRunner().invoke(app, arguments)
        assert f"; {batch} token{'s' * (batch > 1)} at once; " in written.stdout
        contents = Image.load(path).contents
        assert contents.engine.batch == batch
        sizes.append(contents.area("embeddings").nbytes)
    assert sizes == [320, 832], "260 bytes each, to whole 64"


def test_a_card_holds_the_same_memory_and_is_shown(scaled_folder: Path, tmp_path: Path) -> None:
    path, card = tmp_path / "model.img", tmp_path / "card.img"
    arguments = ["image", str(scaled_folder), "--board", "ulx3s-32mb", "--kv-bits", "8", "-o"]
    for written in (
        CliRunner().invoke(app, [*arguments, str(path)]),
        CliRunner().invoke(app, [*arguments, str(card), "--sd"]),
    ):
        assert written.exit_code == 0, written.output
    memory = Image.load(path).memory.tobytes()
    assert memory_octets(card.read_bytes()) == memory
    shown = CliRunner().invoke(app, ["image", "--show", str(card)])
    assert shown.stdout == f"memory card: {len(memory):,} bytes of memory, SHA-256 {sha256(memory).hexdigest()}\n"
    card.write_bytes(card.read_bytes()[:-BLOCK_BYTES])
    refused = CliRunner().invoke(app, ["image", "--show", str(card)])
    assert refused.exit_code == 1
    assert refused.stderr == f"error: {card}: the card's data are not what was written; write the card again\n"


def test_a_card_cut_within_a_block_or_without_a_word_is_not_shown(tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    for octets, said in (
        (card_octets(b"word")[:-1], "a card has whole blocks of 512 bytes, not 1,023 bytes; give a file that"),
        (header_octets(0, 0), "the card's image has no word of memory; write one with"),
    ):
        card.write_bytes(octets)
        shown = CliRunner().invoke(app, ["image", "--show", str(card)])
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert shown.stderr.startswith(f"error: {card}: {said} `seedloom image --sd`")


def test_a_board_whose_memory_no_card_is_loaded_into_is_refused() -> None:
    result = CliRunner().invoke(app, ["image", "folder", "--board", "orangecrab", "--sd", "-o", "card.img"])
    assert result.exit_code == 1
    remedy = "choose from ulx3s-32mb, ulx3s-64mb"
    assert result.stderr == f"error: no card is loaded into the memory of orangecrab; {remedy}\n"


@pytest.mark.parametrize("missing", ["folder", "--board", "--output"])
def test_an_image_needs_folder_board_and_output(missing: str, tmp_path: Path) -> None:
    given = {"folder": [str(tmp_path)], "--board": ["--board", "ecpix5"], "--output": ["-o", str(tmp_path / "x")]}
    arguments = [argument for name, some in given.items() if name != missing for argument in some]
    result = CliRunner().invoke(app, ["image", *arguments])
    assert result.exit_code == 1
    assert result.stderr == "error: an image needs a folder, --board and --output; or give --show and an image\n"


@pytest.mark.parametrize(
    ("option", "also"),
    [
        ("folder", ["folder"]),
        ("--board", ["--board", "ecpix5"]),
        ("--board", ["--board", ""]),
        ("--output", ["-o", "x.img"]),
        ("--kv-bits", ["--kv-bits", "3"]),
        ("--sd", ["--sd"]),
    ],
)
def test_what_is_shown_is_not_written(option: str, also: list[str]) -> None:
    result = CliRunner().invoke(app, ["image", "--show", "model.img", *also])
    remedy = f"leave out {option}"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: --show prints an image that is there and writes none; {remedy}\n"


def test_a_pipe_is_no_image_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = CliRunner().invoke(app, ["image", "--show", str(tmp_path / "pipe")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {tmp_path / 'pipe'} is no file; write one with ")


def test_a_file_that_is_there_is_refused_before_the_model_is_loaded(
    scaled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.img").write_text("mine")
    monkeypatch.setattr("seedloom.images.make_image", None)
    result = CliRunner().invoke(app, ["image", str(scaled_folder), "--board", "ecpix5", "-o", str(tmp_path / "x.img")])
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / 'x.img'} is there already; choose another name, or delete it\n"
    assert (tmp_path / "x.img").read_text() == "mine"


def test_weights_that_alone_do_not_fit_are_refused_before_the_model_is_loaded(
    scaled_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = next(
        area for area in seedloom.make_image(scaled_folder, "ecpix5").contents.areas if area.name == "weights"
    )
    monkeypatch.setitem(BOARDS, "ecpix5", replace(BOARDS["ecpix5"], size_bytes=weights.nbytes - 10_000))
    monkeypatch.setattr("seedloom.api.load", None)
    result = CliRunner().invoke(app, ["image", str(scaled_folder), "--board", "ecpix5", "-o", "x.img"])
    assert result.exit_code == 1
    assert "the model does not fit the memory of ecpix5 by " in result.stderr
    assert result.stderr.endswith("bytes; use fewer bits per weight or a board with more memory\n")
