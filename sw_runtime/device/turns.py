"""Threads take turns at a device: it does one thing at a time, and its counters miss nothing."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Any)


def in_turn(method: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """A method of a device, run while no other thread runs one: the device has an ``RLock`` called ``_turn``."""

    @wraps(method)
    def call(device: T, /, *arguments: P.args, **options: P.kwargs) -> R:
        with device._turn:
            return method(device, *arguments, **options)

    return call
