"""Packets come back from their bytes, and nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from formats.link import Kind
from golden_models.link import framed
from sw_runtime.device.link.packets import LinkPacket, PacketReader, octets_of

PACKETS = st.builds(
    LinkPacket,
    st.sampled_from(list(Kind)),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.lists(st.integers(0, 2**32 - 1), max_size=80).map(tuple),
)


def octets(packet: LinkPacket) -> bytes:
    return octets_of(packet.kind, packet.sequence, packet.session, packet.words)


@given(st.lists(PACKETS, max_size=4), st.integers(1, 50))
def test_packets_come_back_however_their_bytes_are_cut(packets: list[LinkPacket], size: int) -> None:
    line, reader = b"".join(map(octets, packets)), PacketReader()
    read = [packet for at in range(0, len(line), size) for packet in reader.read(line[at : at + size])]
    assert read == packets


@given(PACKETS)
def test_packets_are_the_models(packet: LinkPacket) -> None:
    assert octets(packet) == framed(packet.kind, packet.sequence, packet.session, packet.words)


@given(PACKETS, st.binary(max_size=40), st.data())
def test_a_packet_behind_noise_comes_whole_and_a_damaged_one_never(
    packet: LinkPacket, noise: bytes, data: st.DataObject
) -> None:
    line = bytearray(octets(packet))
    line[data.draw(st.integers(1, len(line) - 2))] ^= 1 << data.draw(st.integers(0, 7))
    read = list(PacketReader().read(noise + bytes(line) + octets(packet)))
    assert [each for each in read if each] == [packet]
    assert read[-1] == packet


def test_endless_noise_takes_no_memory() -> None:
    reader = PacketReader()
    for _ in range(100):
        assert not list(reader.read(b"\x01" * 1000))
    assert list(reader.read(octets(LinkPacket(Kind.WELCOME, 0, 1)))) == [None, LinkPacket(Kind.WELCOME, 0, 1)]


def test_a_packet_of_an_unknown_kind_counts_as_damaged() -> None:
    assert list(PacketReader().read(framed(0x99, 0, 0))) == [None]
