"""What a board's transport asks of its channel; the board here is the tests' model of one."""

import numpy as np
import pytest

from formats.board_requests import Opcode
from formats.errors import DeviceError
from formats.router.descriptor import Command
from hw.engine.sequencer import command_layout
from sw_runtime.device.board.transport import BoardTransport
from sw_runtime.device.board.workspace import Workspace
from sw_runtime.device.layout import dense_bytes
from sw_runtime.device.transport import Packet, Pass, StoredWeights
from tests.sw_runtime.device.board.model_channel import ENGINE, SIZE, ModelChannel


@pytest.fixture
def channel() -> ModelChannel:
    return ModelChannel()


@pytest.fixture
def transport(channel: ModelChannel) -> BoardTransport:
    return BoardTransport(channel, ENGINE, SIZE)


def beats(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 4), dtype=np.uint8)


def test_weights_lie_without_gaps_behind_the_workspace_and_are_compared(
    channel: ModelChannel, transport: BoardTransport
) -> None:
    written = beats(5_000)
    weights = transport.load(written, 24)
    assert weights == StoredWeights(Workspace.of(ENGINE).end, 5_000, 15_000)
    assert channel.opcodes == [Opcode.CHECKSUM, *[Opcode.WRITE] * 4, Opcode.CHECKSUM]
    read = channel.model.answer([Opcode.READ, weights.place, 1_000])[1:]
    assert read == dense_bytes(written, 24).view("<u4")[:1_000].tolist()


def test_room_is_used_again(transport: BoardTransport) -> None:
    first = transport.load(beats(100), 24)
    second = transport.load(beats(100), 32)
    transport.unload(first)
    assert transport.load(beats(90), 24).place == first.place
    assert second.place > first.place


def test_what_does_not_fit_is_refused_before_anything_is_written(
    channel: ModelChannel, transport: BoardTransport
) -> None:
    for call in (lambda: transport.check_room(SIZE), lambda: transport.load(np.zeros((SIZE // 4, 4), np.uint8), 32)):
        with pytest.raises(DeviceError, match="the board's memory is too small by"):
            call()
    assert channel.opcodes == []


def test_a_memory_that_lost_what_was_written_is_named_and_its_room_given_back(
    channel: ModelChannel, transport: BoardTransport
) -> None:
    channel.damages = True
    with pytest.raises(DeviceError, match="1 of 1 pieces read back wrong after 3 attempts, the first at address"):
        transport.load(beats(10), 32)
    channel.damages = False
    assert transport.load(beats(10), 32).place == Workspace.of(ENGINE).end


def test_activations_that_are_there_are_not_sent_again(transport: BoardTransport, channel: ModelChannel) -> None:
    weights = transport.load(beats(12), 24)
    first, other = (np.full((8, 4), value, dtype=np.uint8) for value in (1, 2))
    command = command_layout(ENGINE).const({"row_groups": 3}).as_value().value

    def sent(*activations: np.ndarray) -> int:
        del channel.opcodes[:]
        for _ in transport.run([Pass(command, each, weights, result_beats=4) for each in activations]):
            pass
        return channel.opcodes.count(Opcode.WRITE)

    assert sent(first) == 1
    assert sent(first, first.copy()) == 0
    assert sent(first, other, other, first) == 2
    channel.breaks = True
    with pytest.raises(DeviceError, match="the cable went"):
        sent(first)
    channel.breaks = False
    assert sent(first) == 1, "what a broken channel left is not known"


def test_a_board_without_router_says_so(transport: BoardTransport) -> None:
    packet, product = Packet(Command(0)), Pass(0, beats(1), StoredWeights(0, 1, 4))
    for call in (
        lambda: transport.route(packet, 1, 1),
        lambda: transport.run_routed(product, beats(1), packet, 1),
    ):
        with pytest.raises(DeviceError, match="the board has no router: leave the work to the host, or"):
            call()


def test_closing_closes_the_channel(channel: ModelChannel, transport: BoardTransport) -> None:
    transport.close()
    assert channel.closed
