"""A board's memory over a bad line: what is read is what was written, and most of the line carries it."""

import struct
from random import Random

import pytest
from sw_runtime.device.link.memory import BoardMemory

from formats.errors import DeviceError, InputError
from golden_models.line import LineFaults
from sw_runtime.device.link import memory
from tests.sw_runtime.device.link.channels import Bench

NOISY = LineFaults(byte_errors=1e-4, lost=0.01)


def stored(bench: Bench, address: int, size: int) -> bytes:
    words = bench.core.memory[address // 4 : (address + size) // 4]
    return struct.pack(f"<{len(words)}I", *words)


def random_bytes(size: int) -> bytes:
    return Random(size).randbytes(size)


def test_what_is_uploaded_over_a_noisy_line_is_there_and_half_of_the_line_or_more_carried_it() -> None:
    octets = random_bytes(3 << 16)
    bench = Bench(NOISY, words=1 << 16)
    board = BoardMemory(bench.channel())
    assert board.upload(64, octets) == len(octets)
    assert stored(bench, 64, len(octets)) == octets
    assert len(octets) * bench.seconds_an_octet / bench.line.now >= 0.5
    assert board.read(64, len(octets) // 4) == octets


def test_a_good_line_is_used_for_nine_tenths() -> None:
    octets, bench = random_bytes(1 << 16), Bench(words=1 << 14)
    board = BoardMemory(bench.channel())
    board.upload(0, octets)
    assert len(octets) * bench.seconds_an_octet / bench.line.now >= 0.9


def test_only_the_pieces_that_differ_are_sent() -> None:
    octets, bench = bytearray(random_bytes(3 << 16)), Bench(words=1 << 16)
    board = BoardMemory(bench.channel())
    board.upload(0, bytes(octets))
    octets[(1 << 16) + 5] ^= 1
    assert board.upload(0, bytes(octets)) == 1 << 16
    assert stored(bench, 0, len(octets)) == bytes(octets)


def test_an_upload_that_broke_off_goes_on_where_it_was() -> None:
    octets, bench = random_bytes(4 << 16), Bench(words=1 << 16)
    channel = bench.channel()
    board = BoardMemory(channel)
    bench.breaks_after = bench.calls + 300
    with pytest.raises(DeviceError, match="the line is gone"):
        board.upload(0, octets)
    channel.reconnect()
    assert 0 < board.upload(0, octets) < len(octets)
    assert stored(bench, 0, len(octets)) == octets


def test_memory_that_does_not_keep_what_it_is_given_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(words=1 << 12)
    monkeypatch.setattr(memory, "PIECE_BYTES", 1 << 10)
    board = BoardMemory(bench.channel())

    class Broken(list[int]):
        def __setitem__(self, place: object, word: object) -> None:
            super().__setitem__(place, word & ~(place == 300))  # type: ignore[operator, index]

    bench.core.memory = Broken(bench.core.memory)
    with pytest.raises(
        DeviceError, match="1 of 4 pieces read back wrong after 3 attempts, the first at address 1024: the"
    ):
        board.upload(0, b"\xff" * (4 << 10))


def test_memory_past_its_end_is_refused_in_the_boards_words() -> None:
    with pytest.raises(DeviceError, match="the board refused CHECKSUM, BAD_ADDRESS"):
        BoardMemory(Bench(words=64).channel()).upload(0, bytes(260))


@pytest.mark.parametrize(("address", "size"), [(2, 8), (0, 6)])
def test_parts_of_words_are_refused(address: int, size: int) -> None:
    with pytest.raises(InputError, match=f"written in words of 4 bytes: address {address}, {size} bytes are no words"):
        BoardMemory(Bench().channel()).upload(address, bytes(size))
