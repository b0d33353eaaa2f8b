"""Threads take turns at a device: it does one thing at a time, and its counters miss nothing."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

from formats.errors import DeviceError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Any)


class Turns:
    """Whose turn it is at a device, and whether there are any more; the device keeps it as ``_turns``."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.over = False


def in_turn(method: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """A method of a device, run while no other thread runs one; a closed device refuses."""

    @wraps(method)
    def call(device: T, /, *arguments: P.args, **options: P.kwargs) -> R:
        with device._turns.lock:
            if device._turns.over:
                raise DeviceError("the device is closed; open another")
            return method(device, *arguments, **options)

    return call


def last_turn(method: Callable[[T], None]) -> Callable[[T], None]:
    """What closes a device; closing it again does nothing."""

    @wraps(method)
    def call(device: T, /) -> None:
        with device._turns.lock:
            if not device._turns.over:
                device._turns.over = True
                method(device)

    return call
