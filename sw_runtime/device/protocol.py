"""What every device answers, whether emulated, simulated or real."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from torch import Tensor

from formats.arguments import check_types
from formats.matrices import Matrix
from formats.router.answer import Answer
from formats.router.descriptor import Command, RouterParameters
from formats.router.stream import check_data


@dataclass
class Counters:
    """What a device has done since it was opened; a difference of two says what one step cost.

    Parameters
    ----------
    cycles
        Clock cycles from the start of each matrix-vector product to its last result, or to the router's
        answer.
    port_busy_cycles
        Cycles in which the memory port handed over a beat of weights or activations.
    weight_bytes, activation_bytes
        Bytes taken from the memory port, padding included.
    scale_bytes
        Bytes of row scales that routed products took from memory.
    result_bytes
        Bytes of results handed back.
    router_cycles
        Busy cycles of the router's commands that take no product's results; an emulated router counts the
        most they may take.
    router_bytes
        Bytes of the router's commands, their data and their answers.
    """

    cycles: int = 0
    port_busy_cycles: int = 0
    weight_bytes: int = 0
    activation_bytes: int = 0
    scale_bytes: int = 0
    result_bytes: int = 0
    router_cycles: int = 0
    router_bytes: int = 0

    def __sub__(self, earlier: "Counters") -> "Counters":
        return Counters(**{f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)})

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True)
class DeviceInfo:
    """What a device can take.

    Parameters
    ----------
    name
        What ``seedloom.open_device`` knows it by, such as ``"simulated"``.
    formats
        Names of the weight formats it holds; ``"fp16"`` is the baseline.
    activation_bits
        Signed bits of an activation.
    batch
        Vectors it multiplies in one pass over the weights.
    maximum_columns, maximum_rows
        Largest matrix it takes.
    router
        Size of its token router, None if it has none.
    """

    name: str
    formats: tuple[str, ...]
    activation_bits: int
    batch: int
    maximum_columns: int
    maximum_rows: int
    router: RouterParameters | None = None


@dataclass(frozen=True)
class MatrixShape:
    """What decides a matrix's room.

    Parameters
    ----------
    format
        Name of its weight format.
    rows, columns
        Its size.
    """

    format: str
    rows: int
    columns: int


@dataclass(frozen=True)
class Request:
    """A command to a router, and the bytes that follow it.

    Parameters
    ----------
    command
        The command.
    data
        Its elements (see ``formats.router.stream.to_bytes``); none without the DATA flag.

    Raises
    ------
    InputError
        If an argument is of another type; if there are data without the DATA flag, or the flag without data: no
        stream can carry that.
    """

    command: Command
    data: bytes = b""

    def __post_init__(self) -> None:
        check_types(command=(self.command, Command), data=(self.data, bytes))
        check_data(self.command, self.data)


class Device(Protocol):
    """A matrix-vector accelerator, perhaps with a token router. All devices answer alike, integer for integer.

    Threads may share one: they take turns.
    """

    counters: Counters

    def info(self) -> DeviceInfo:
        """What the device can take."""

    def check_room(self, shapes: Sequence[MatrixShape]) -> None:
        """Refuse matrices that the device's memory does not hold all together, beside those it has.

        Raises
        ------
        DeviceError
            If it has a limit and they pass it, by how many bytes.
        """

    def load(self, matrix: Matrix) -> int:
        """Upload a matrix and return its handle.

        Raises
        ------
        DeviceError
            If the device has no lane for the format or the matrix is too large.
        """

    def matvec(self, handle: int, activations: Tensor) -> Tensor:
        """Multiply: int64 [vectors, columns] → exact int64 [vectors, rows], any number of vectors.

        Raises
        ------
        DeviceError
            If the handle is unknown, the shape is wrong or an activation does not fit its bits.
        """

    def route_matvec(self, handle: int, activations: Tensor, command: Command) -> Answer:
        """Multiply by one vector, int64 [1, columns]; the results become the data of a router command.

        Only the answer comes back. Row r's result is key r: the sum times its row's scale, rounded
        once (``golden_models.seedlm.requantise``).

        Raises
        ------
        DeviceError
            If the device has no router, the handle is unknown, the activations are not as above or
            the command is none that may take results (LOAD, or FIRST without bound), or a row's scale
            is no bfloat16 number, as those of palettes.
        """

    def unload(self, handle: int) -> None:
        """Forget a matrix."""

    def route(self, requests: Sequence[Request]) -> list[Answer]:
        """Run commands on the device's router, in order.

        Raises
        ------
        DeviceError
            If the device has no router.
        """

    def close(self) -> None:
        """Give back what the device holds."""
