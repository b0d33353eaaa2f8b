"""What an image says of itself is believed as it was written, or not at all."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from formats.errors import CheckpointError
from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.image.contents import HASH
from sw_runtime.decoder.image.file import Image
from sw_runtime.json_files import json_text
from sw_runtime.whole_files import write_tensors
from tests.sw_runtime.decoder.models import parts_of, tiny_model


@cache
def image() -> Image:
    parts = parts_of(tiny_model("llama"))
    return Image.of(compile_program(parts, 8), parts.matrices, BOARDS["ulx3s-64mb"])


def test_no_changed_bit_of_the_record_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "model.img"
    image().save(path)
    octets = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(octets[:8], "little")
    believed, nameless = [], []
    for place in range(8, header):
        octets[place] ^= 1 << place % 7
        path.write_bytes(octets)
        try:
            if Image.load(path).contents != image().contents:
                believed.append(place)
        except CheckpointError as error:
            nameless += [] if str(path) in str(error) else [place]
        octets[place] ^= 1 << place % 7
    assert (believed, nameless) == ([], [])


def crafted(path: Path, changes: dict[str, Any], area: dict[str, Any], without: str = HASH) -> None:
    """An image's file with other entries in its record, or in its first area's, all under a new hash."""
    left_out = (HASH, without)
    record = {name: value for name, value in image().contents.record().items() if name not in left_out} | changes
    if area:
        record["areas"] = [record["areas"][0] | area, *record["areas"][1:]]
    hashed = hashlib.sha256(json_text(record, sort_keys=True).encode()).hexdigest()
    write_tensors(path, {"memory": torch.from_numpy(image().memory)}, record | {HASH: hashed})


@pytest.mark.parametrize(
    ("changes", "area", "message"),
    [
        ({}, {"nbytes": "x"}, ": nbytes must be int, not 'x'; write the image again"),
        ({}, {"nbytes": 1.5}, ": nbytes must be int, not 1.5; write"),
        ({}, {"nbytes": 3, "sha256": ""}, ": the program area has 3 bytes from 0 on; it begins at 0 and"),
        ({}, {"nbytes": -64}, ": the program area has -64 bytes"),
        ({}, {"nbytes": 64}, ": the constants area has "),
        ({}, {"sha256": ""}, ": the program area is not what was written"),
        ({}, {"address": None}, ": address must be int, not None"),
        ({}, {"address": 0.0}, ": address must be int, not 0.0"),
        ({}, {"name": 1}, ": name must be str, not 1"),
        ({}, {"name": "cache"}, ": an image has the areas program, constants, rotary, .*, cache, not "),
        ({"areas": []}, {}, ": an image has the areas program, .*, not none"),
        ({"areas": [1]}, {}, " is no image of a program; write it with `seedloom image`"),
        ({"areas": None}, {}, " is no image of a program"),
        ({"more": 1}, {}, " is no image of a program"),
        ({"context": "abc"}, {}, ": context must be int, not 'abc'"),
        ({"context": None}, {}, ": context must be int, not None"),
        ({"memory_bytes": "abc"}, {}, ": memory_bytes must be int, not 'abc'"),
        ({"board": "\ud800"}, {}, ": board is no UTF-8 text"),
        ({"formats": ["scaled-9bit"]}, {}, ": unknown format 'scaled-9bit'; .*; write the image again"),
        ({"formats": []}, {}, ": formats must be one or more different names, .*; write the image again"),
        ({"port_bytes": 5}, {}, ": port_bytes must be .*, not 5; write the image again"),
    ],
)
def test_a_record_that_no_image_has_is_refused_with_its_file(
    changes: dict[str, Any], area: dict[str, Any], message: str, tmp_path: Path
) -> None:
    crafted(tmp_path / "model.img", changes, area)
    with pytest.raises(CheckpointError, match=rf"^{tmp_path / 'model.img'}{message}") as said:
        Image.load(tmp_path / "model.img")
    assert "\n" not in str(said.value)


def test_an_image_of_embeddings_without_exponents_is_refused(tmp_path: Path) -> None:
    crafted(tmp_path / "model.img", {}, {}, without="batch")
    with pytest.raises(CheckpointError, match=r"it has no room for an embedding's exponent, .*; write it again"):
        Image.load(tmp_path / "model.img")


@pytest.mark.parametrize("depth", [600, 100_000])
def test_a_record_that_is_nested_deeply_is_no_image(depth: int, tmp_path: Path) -> None:
    path, record = tmp_path / "model.img", f'{{"sha256": "", "version": {"[" * depth + "]" * depth}}}'
    save_file({"memory": torch.zeros(4, dtype=torch.uint8)}, path, {"record": record})
    with pytest.raises(CheckpointError, match=r"model\.img"):
        Image.load(path)
