"""A board is asked what it is, and refused if it is another than this program knows."""

from dataclasses import replace

import pytest

from formats.board_requests import VERSION
from formats.engine import EngineParameters
from formats.errors import DeviceError
from hw.decoder.parameters import DecoderParameters
from hw.sources import build_number
from sw_runtime.device.board import identity
from sw_runtime.device.board.identity import check_decoder, check_engine, identify
from tests.sw_runtime.device.board.model_channel import ENGINE, SIZE, ModelChannel


@pytest.mark.parametrize("build", [0, build_number()])
def test_a_board_of_this_release_or_of_nobodys_build_is_known_by_its_own_words(build: int) -> None:
    board = identify(ModelChannel(build))
    assert (board.build, board.memory_bytes, board.clock_hz) == (build, SIZE, 100e6)
    assert board.engine == ENGINE
    assert board.decoder is None


def test_a_board_built_from_other_sources_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"built from other sources, 0000abcd, than this program's, [0-9a-f]{8}:"):
        identify(ModelChannel(0xABCD))


def test_a_board_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "VERSION", 9)
    with pytest.raises(DeviceError, match=f"the board speaks version {VERSION} of the requests, this program 9: take"):
        identify(ModelChannel())


def test_an_engine_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = ModelChannel()
    monkeypatch.setattr(channel, "answer", lambda request: [*ModelChannel().answer(request)[:17], 0x797A7978])
    with pytest.raises(DeviceError, match=r"this program does not know the board's engine \(unknown format 'xyzy'"):
        identify(channel)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"formats": ("scaled-3bit", "scaled-4bit")},
            "the board has no lane for scaled-4bit; it has scaled-3bit: ",
        ),
        ({"formats": ("scaled-3bit",), "batch": 4}, "the board multiplies 1 vector at once, not 4: program it with a"),
    ],
)
def test_an_engine_that_does_not_do_what_is_wanted_is_refused(wanted: dict[str, object], message: str) -> None:
    check_engine(ENGINE, EngineParameters(("scaled-3bit",)))
    with pytest.raises(DeviceError, match=message):
        check_engine(ENGINE, EngineParameters(**wanted))  # type: ignore[arg-type]


def test_a_decoder_smaller_than_a_program_needs_is_refused_by_the_size_that_lacks() -> None:
    sizes = {"vector_words": 1024, "parts": 8, "queries": 2, "width": 16, "positions": 64}
    wanted = DecoderParameters(**sizes)
    check_decoder(wanted, wanted)
    check_decoder(replace(wanted, positions=647), wanted)
    for name, has in {**{name: size - 1 for name, size in sizes.items()}, "queries": 3}.items():
        with pytest.raises(DeviceError, match=f"built for {name} = {has}, the image needs {sizes[name]}: program a"):
            check_decoder(replace(wanted, **{name: has}), wanted)
    with pytest.raises(DeviceError, match="the board only multiplies, and the image needs a whole decoder: program"):
        check_decoder(None, wanted)
