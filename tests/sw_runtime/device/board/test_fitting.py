"""SmolLM2-135M on boards: what fits, and how fast."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hw.board.boards import BOARDS
from sw_runtime.device.board.fitting import Fit, fit, position_bytes
from sw_runtime.device.protocol import MatrixShape

LAYER = ((576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536))
HEAD = (49_152, 576)
CONFIG = SimpleNamespace(num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, hidden_size=576)
NO_ATTENTION = SimpleNamespace(hidden_size=64)


def limited(positions: int) -> SimpleNamespace:
    return SimpleNamespace(**vars(CONFIG), max_position_embeddings=positions)


def smollm(board: str, name: str, head: bool = True) -> Fit:
    shapes = [MatrixShape(name, *shape) for shape in (*LAYER * 30, *([HEAD] if head else []))]
    return fit(BOARDS[board], shapes, CONFIG)


@pytest.mark.parametrize(
    ("board", "name", "head", "rate"),
    [
        ("ulx3s-64mb", "scaled-3bit", True, 3.7),
        ("ulx3s-64mb", "scaled-2bit", True, 5.5),
        ("ulx3s-32mb", "scaled-2bit", False, 7.0),
        ("orangecrab", "scaled-4bit", True, 2.76),
        ("orangecrab", "scaled-3bit", True, 2.78),  # a word of a lane per cycle, as with 4 bits
        ("orangecrab", "scaled-2bit", False, 5.2),
        ("ecpix5", "scaled-4bit", True, 4.31),
        ("ecpix5", "trellis-2bit", True, 8.39),
    ],
)
def test_a_model_that_fits_is_as_fast_as_the_memory_moves_it_or_the_lanes_take_it(
    board: str, name: str, head: bool, rate: float
) -> None:
    found = smollm(board, name, head)
    assert found.missing_bytes == 0
    assert found.tokens_per_second == pytest.approx(rate, abs=0.06)
    assert found.needed_bytes is not None
    assert found.context == (found.memory_bytes - found.needed_bytes) // (2 * 30 * 3 * 64)


def test_a_model_that_does_not_fit_says_by_how_much() -> None:
    found = smollm("ulx3s-64mb", "scaled-4bit")
    weights = 30 * 3_538_944 // 2 + 49_152 * 576 // 2
    workspace = 1536 * 2 + 49_152 * 8
    assert (found.needed_bytes, found.missing_bytes) == (weights + workspace, weights + workspace - (64 << 20))
    assert found.tokens_per_second is None
    assert found.context is None


def test_a_format_whose_words_are_wider_than_the_port_is_named() -> None:
    found = fit(BOARDS["ulx3s-32mb"], [MatrixShape("paper-3bit", 8, 8)], NO_ATTENTION)
    assert found.needed_bytes is None
    assert found.reason == "port_bytes=4 cannot carry a 36-bit word of paper-3bit; it takes 5 or more"
    wider = replace(BOARDS["ecpix5"], port_bytes=8)
    assert fit(wider, [MatrixShape("paper-3bit", 8, 8)], NO_ATTENTION).reason == ""


def test_a_model_without_attention_keeps_no_positions() -> None:
    assert position_bytes(NO_ATTENTION) == 0
    assert fit(BOARDS["ulx3s-32mb"], [MatrixShape("scaled-4bit", 8, 8)], NO_ATTENTION).context is None


def test_a_context_is_no_longer_than_the_model_takes() -> None:
    shapes = [MatrixShape("scaled-4bit", 576, 576)]
    assert fit(BOARDS["ecpix5"], shapes, limited(8_192)).context == 8_192
    free = fit(BOARDS["ecpix5"], shapes, CONFIG).context
    assert free is not None
    assert free > 8_192
    assert fit(BOARDS["ecpix5"], shapes, limited(1 << 30)).context == free
