"""A board's memory over a bad line: what is read is what was written, and most of the line carries it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from formats.errors import DeviceError
from golden_models.line import LineFaults
from sw_runtime.device.board import memory
from sw_runtime.device.board.memory import download, upload
from tests.sw_runtime.device.link.channels import Bench

NOISY = LineFaults(byte_errors=1e-4, lost=0.01)


def stored(bench: Bench, address: int, size: int) -> bytes:
    return np.array(bench.core.memory[address // 4 : (address + size) // 4], dtype="<u4").tobytes()


def random_bytes(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(size).integers(256, size=size, dtype=np.uint8)


def test_what_is_uploaded_over_a_noisy_line_is_there_and_half_of_the_line_or_more_carried_it() -> None:
    octets = random_bytes(3 << 16)
    bench = Bench(NOISY, words=1 << 16)
    channel = bench.channel()
    assert upload(channel, 64, octets) == len(octets)
    assert stored(bench, 64, len(octets)) == octets.tobytes()
    assert len(octets) * bench.seconds_an_octet / bench.line.now >= 0.5
    assert (download(channel, 64, len(octets) // 4) == octets).all()


def test_a_good_line_is_used_for_nine_tenths() -> None:
    octets, bench = random_bytes(1 << 16), Bench(words=1 << 14)
    channel = bench.channel()
    upload(channel, 0, octets)
    assert len(octets) * bench.seconds_an_octet / bench.line.now >= 0.9


def test_only_the_pieces_that_differ_are_sent() -> None:
    octets, bench = random_bytes(3 << 16), Bench(words=1 << 16)
    channel = bench.channel()
    upload(channel, 0, octets)
    octets[(1 << 16) + 5] ^= 1
    assert upload(channel, 0, octets) == 1 << 16
    assert stored(bench, 0, len(octets)) == octets.tobytes()


def test_an_upload_that_broke_off_goes_on_where_it_was() -> None:
    octets, bench = random_bytes(4 << 16), Bench(words=1 << 16)
    channel = bench.channel()
    bench.breaks_after = bench.calls + 300
    with pytest.raises(DeviceError, match="the line is gone"):
        upload(channel, 0, octets)
    channel.reconnect()
    assert 0 < upload(channel, 0, octets) < len(octets)
    assert stored(bench, 0, len(octets)) == octets.tobytes()


def test_memory_that_does_not_keep_what_it_is_given_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(words=1 << 12)
    monkeypatch.setattr(memory, "PIECE_BYTES", 1 << 10)
    channel = bench.channel()

    class Broken(list[int]):
        def __setitem__(self, place: object, word: object) -> None:
            super().__setitem__(place, word & ~(place == 300))  # type: ignore[operator, index]

    bench.core.memory = Broken(bench.core.memory)
    with pytest.raises(
        DeviceError, match="1 of 4 pieces read back wrong after 3 attempts, the first at address 1024: the"
    ):
        upload(channel, 0, np.full(4 << 10, 255, dtype=np.uint8))


def test_memory_past_its_end_is_refused_in_the_boards_words() -> None:
    with pytest.raises(DeviceError, match="the board refused CHECKSUM, BAD_ADDRESS"):
        upload(Bench(words=64).channel(), 0, np.zeros(260, dtype=np.uint8))
