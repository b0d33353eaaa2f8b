"""What lies between a driver and an accelerator: a simulator's streams, or a link to a board."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from formats.router.descriptor import Command
from sw_runtime.device.layout import Beats


@dataclass(frozen=True)
class StoredWeights:
    """Weights that a transport keeps where the accelerator reads them.

    Parameters
    ----------
    place
        What the transport finds them by.
    beats
        Beats that the engine takes.
    nbytes
        Bytes that it reads for them.
    """

    place: int
    beats: int
    nbytes: int


@dataclass(frozen=True)
class Pass:
    """One pass over a matrix's weights.

    Parameters
    ----------
    command
        Its command as bits: ``hw.engine.sequencer.command_layout``, or ``hw.top.joint_command_layout`` for a
        routed pass.
    activations
        Beats of the memory port before those of the weights: uint8 [beats, port_bytes].
    weights
        What ``Transport.load`` returned.
    result_beats
        Beats of results that come back; 0 for a routed pass.
    places
        How many low bits a result may lose on its way, so that 24 are left; None for exact results. Only a board's
        transport looks at it.
    """

    command: int
    activations: Beats
    weights: StoredWeights
    result_beats: int = 0
    places: int | None = None


@dataclass(frozen=True)
class Packet:
    """A router command and the beats that follow it.

    Parameters
    ----------
    command
        The command.
    beats
        Raw elements, one list a beat (see ``formats.router.stream.to_beats``); none without the
        DATA flag.
    aborted
        The packet ends with an abort after the beats, not with its last beat.
    """

    command: Command
    beats: Sequence[Sequence[int]] = ()
    aborted: bool = False


class Transport(Protocol):
    """Carries passes and packets to one accelerator and brings back what it sends.

    A transport knows no formats: it moves beats. Every call raises DeviceError where the
    accelerator stops answering.
    """

    def check_room(self, nbytes: int) -> None:
        """Refuse weights of so many bytes, all matrices together, if they do not fit.

        Raises
        ------
        DeviceError
            Naming what is needed and by how much the memory is too small.
        """

    def load(self, beats: Beats, beat_bits: int) -> StoredWeights:
        """Keep the beats of a matrix, uint8 [beats, port_bytes], of which ``beat_bits`` say something.

        Raises
        ------
        DeviceError
            If there is no room for them, before any has been moved.
        """

    def unload(self, weights: StoredWeights) -> None:
        """Give their room back."""

    def run(self, passes: Sequence[Pass]) -> Iterator[tuple[Beats, int]]:
        """Run passes that do not depend on each other; yields, in order, result beats and cycles of each.

        Cycles are those from the command to the last result.
        """

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        """Run a router command to its end; returns the 16-bit words of its answer.

        More than ``word_limit`` words or ``cycle_limit`` cycles mean that the router is lost.
        """

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        """Run a pass whose results are the data of a router command.

        ``scales`` are the rows' bfloat16 scales, uint8 [rows, 2]. Returns the words of the answer, and the
        cycles from both commands to its last word.
        """

    def close(self) -> None:
        """Give back what the transport holds."""
