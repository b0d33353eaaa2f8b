"""Beats without gaps. That a board's reader finds the words again is shown in ``tests/hw/memory/test_products.py``."""

import numpy as np
import pytest
import torch

from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.device.layout import dense_bytes, stored_bytes, weight_beats, words_of
from sw_runtime.device.protocol import MatrixShape
from tests.sw_runtime.device.matrices import random_matrix

FORMATS = ("scaled-4bit", "scaled-3bit", "trellis-2bit", "palette-2bit", "fp16")


def bits_of(octets: np.ndarray) -> list[int]:
    return np.unpackbits(octets, bitorder="little").tolist()


@pytest.mark.parametrize("beat_bits", [8, 24, 32, 21, 7])
def test_beats_follow_each_other_bit_by_bit(beat_bits: int) -> None:
    beats = np.random.default_rng(1).integers(0, 256, (5, 4), dtype=np.uint8)
    dense = dense_bytes(beats, beat_bits)
    expected = [bit for beat in beats for bit in bits_of(beat)[:beat_bits]]
    assert len(dense) % 4 == 0
    assert len(dense) - 4 < 5 * beat_bits / 8 <= len(dense)
    assert bits_of(dense) == expected + [0] * (8 * len(dense) - len(expected))


def test_the_room_of_a_matrix_is_that_of_its_beats() -> None:
    engine = EngineParameters(FORMATS, port_bytes=4)
    for weight_format in engine.weight_formats:
        for rows, columns in ((1, 1), (7, 33), (20, 200)):
            beats = weight_beats(random_matrix(weight_format.name, rows, columns), engine)
            room = stored_bytes(MatrixShape(weight_format.name, rows, columns), engine)
            assert room == dense_bytes(beats, engine.beat_bits(weight_format)).nbytes


@pytest.mark.parametrize("groups_at_once", [8, 512])
@pytest.mark.parametrize(("port_bytes", "lanes"), [(4, 0), (16, 0), (16, 3)])
def test_words_are_found_again_in_the_bytes_of_a_matrix(
    port_bytes: int, lanes: int, groups_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sw_runtime.device.layout.GROUPS_AT_ONCE", groups_at_once)
    names = ("scaled-4bit", "scaled-3bit", "trellis-2bit", "trellis-3.5bit")
    engine = EngineParameters(names, port_bytes=port_bytes, lanes=lanes)
    for weight_format in engine.weight_formats:
        for rows, columns in ((1, 1), (41, 33)):
            matrix = random_matrix(weight_format.name, rows, columns)
            assert isinstance(matrix, EncodedMatrix | TrellisMatrix)
            octets = dense_bytes(weight_beats(matrix, engine), engine.beat_bits(weight_format))
            found = words_of(octets, MatrixShape(weight_format.name, rows, columns), engine)
            assert torch.equal(found, matrix.words)


def test_three_bits_a_weight_take_three_bits() -> None:
    engine = EngineParameters(FORMATS, port_bytes=4)
    assert stored_bytes(MatrixShape("scaled-3bit", 1536, 576), engine) == 1536 * 576 * 3 // 8
    assert stored_bytes(MatrixShape("scaled-4bit", 1536, 576), engine) == 1536 * 576 * 4 // 8
