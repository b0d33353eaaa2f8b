"""Commands as the functions of this package send them: payloads asked for, refusals raised."""

from collections.abc import Iterable

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.answer import Answer
from formats.router.bitmaps import from_words, to_words
from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, RouterParameters, Status
from formats.router.stream import to_bytes
from sw_runtime.device.protocol import Device, Request


def size_of(device: Device) -> RouterParameters:
    """The size of a device's router.

    Raises
    ------
    InputError
        If it has none.
    """
    router = device.info().router
    if router is None:
        raise InputError("this device has no router; open it with router=RouterParameters()")
    return router


def request(opcode: Opcode, elements: Iterable[int] = (), flags: int = 0, **fields: int) -> Request:
    """A command with its data, whose answer has a payload."""
    elements = list(elements)
    command = Command(opcode, flags=flags | Flag.OUT | (Flag.DATA if elements else 0), **fields)
    return Request(command, to_bytes(elements, command))


def ask(device: Device, *requests: Request) -> Answer:
    """Run commands and return the answer to the last.

    Raises
    ------
    InputError
        If one is not answered OK: what it holds is too much for the device's router or no legal data.
    """
    answers = device.route(requests)
    for answer in answers:
        check_status(device, answer)
    return answers[-1]


def check_status(device: Device, answer: Answer) -> None:
    """Raise what the router refused.

    Raises
    ------
    InputError
        If the answer is not OK.
    """
    if answer.status != Status.OK:
        router = size_of(device)
        raise InputError(
            f"the router answered {answer.status.name} to {Opcode(answer.opcode).name}: it holds {router.keys} "
            f"keys, {router.slots} bitmaps and {router.sets} sets of {router.ways} experts; send less at a time"
        )


def check_tokens(device: Device, tokens: int) -> None:
    """Refuse more tokens than the router holds.

    Raises
    ------
    InputError
        If there are more.
    """
    held = size_of(device).keys
    if tokens > held:
        raise InputError(f"{tokens} tokens do not fit the router's {held} keys; split them")


def load_keys(keys: Tensor, accumulate: bool = False) -> Request:
    """Fill the key memory from the start, or add to it: int64 [n], unsigned 24-bit."""
    flags = KeyFormat.U24 | (Flag.LOAD_ACCUMULATE if accumulate else 0)
    return request(Opcode.LOAD, keys.tolist(), flags, n=len(keys))


def put_mask(slot: int, mask: Tensor) -> Request:
    """Write a set of tokens into a bitmap: bool [n]."""
    return request(Opcode.PUTBM, to_words(mask).tolist(), n=len(mask), dst=slot)


def check_mask(name: str, mask: Tensor, tokens: int) -> None:
    """Refuse what is no set of so many tokens.

    Raises
    ------
    InputError
        If it is not bool [tokens].
    """
    if mask.dtype != torch.bool or mask.shape != (tokens,):
        raise InputError(f"{name} must be bool [{tokens}], not {mask.dtype} {list(mask.shape)}")


def mask_of(answer: Answer, tokens: int) -> Tensor:
    """The set of tokens in an answer: bool [tokens]."""
    return from_words(torch.tensor(answer.payload, dtype=torch.int64), tokens)


def values_of(answer: Answer) -> Tensor:
    """The 32-bit words in an answer, unsigned: int64."""
    words = torch.tensor(answer.payload, dtype=torch.int64).view(-1, 2)
    return words[:, 0] | words[:, 1] << 16
