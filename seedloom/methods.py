"""The ways to make tokens on a device: one entry a method, which ``seedloom generate`` offers as an option."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from formats.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from sw_runtime.device.protocol import Device

MAXIMUM_DRAFTS = 15
"""With one token more they are verified in one pass of the widest engine."""

OPTIONS = ("--argmax-on-device", "--prune", "--exit", "--speculate")
"""Of ``seedloom generate``; at most one is given."""

Tokens = Callable[["Device", "Tensor"], Any]
"""Device and prompt, int64 [T] → an iterable of endless tokens; a ``MeasuredText`` if it has figures."""


@runtime_checkable
class MeasuredText(Protocol):
    """Tokens that say what making them took."""

    def figures(self) -> dict[str, float]:
        """By name, with underscores."""


@dataclass(frozen=True)
class Method:
    """An entry.

    Parameters
    ----------
    option
        One of ``OPTIONS``.
    name
        The option's value that chooses it; None if the option is its own, with a number or without.
    prepare
        Folder, model and the option's number (0 without one) → what makes tokens. It checks what the method needs,
        before a device is opened.
    bitmaps
        Layers of the model → bitmaps that the device's router must have.
    vectors
        The option's number → vectors that share a pass over the weights.
    """

    option: str
    name: str | None
    prepare: Callable[[Path, Any, int], Tokens]
    bitmaps: Callable[[int], int] = lambda layers: 1
    vectors: Callable[[int], int] = lambda number: 1


def _argmax(folder: Path, model: Any, number: int) -> Tokens:
    from sw_runtime.methods.continuation import tokens_on_device

    return lambda device, prompt: tokens_on_device(model, prompt)


def _lazyllm(folder: Path, model: Any, number: int) -> Tokens:
    from sw_runtime.methods.decoder import Decoder
    from sw_runtime.methods.lazyllm.text import PrunedText

    decoder = Decoder.of(model)
    return lambda device, prompt: PrunedText(decoder, device, prompt)


def _lazyllm_bitmaps(layers: int) -> int:
    from sw_runtime.methods.lazyllm.on_device import bitmaps

    return bitmaps(layers)


def _m2r2_exits(folder: Path, model: Any, number: int) -> Tokens:
    from sw_runtime.methods.decoder import Decoder
    from sw_runtime.methods.m2r2.fast_stream import FastStream
    from sw_runtime.methods.m2r2.text import ExitedText

    decoder, stream = Decoder.of(model), FastStream.load(folder)
    return lambda device, prompt: ExitedText(decoder, stream, device, prompt)


def _m2r2_drafts(folder: Path, model: Any, number: int) -> Tokens:
    from sw_runtime.methods.decoder import Decoder
    from sw_runtime.methods.m2r2.fast_stream import FastStream
    from sw_runtime.methods.m2r2.text import SpeculatedText

    decoder, stream = Decoder.of(model), FastStream.load(folder)
    return lambda device, prompt: SpeculatedText(decoder, stream, device, prompt, number)


METHODS = (
    Method("--argmax-on-device", None, _argmax),
    Method("--prune", "lazyllm", _lazyllm, bitmaps=_lazyllm_bitmaps),
    Method("--exit", "m2r2", _m2r2_exits, vectors=lambda number: 2),  # a token's two streams
    Method("--speculate", None, _m2r2_drafts, vectors=lambda drafts: drafts + 1),
)
"""All of them. A further one is one entry."""


def names(option: str) -> list[str]:
    """Values that an option takes."""
    return [method.name for method in METHODS if method.option == option and method.name]


@dataclass(frozen=True)
class Choice:
    """A method, and the number given with its option.

    Parameters
    ----------
    method
        None lets transformers generate.
    number
        0 where the option takes none.
    """

    method: Method | None = None
    number: int = 0

    @classmethod
    def of(cls, given: Mapping[str, str | int | None]) -> "Choice":
        """What options choose: option → its value, False or None where it is not given.

        Raises
        ------
        InputError
            If more than one is given, or a value is no method's name.
        """
        chosen = {option: value for option, value in given.items() if value}
        if len(chosen) > 1:
            raise InputError(f"choose one of {', '.join(OPTIONS[:-1])} and {OPTIONS[-1]}")
        for option, value in chosen.items():
            name, number = (value, 0) if isinstance(value, str) else (None, int(value or 0))
            for method in METHODS:
                if (method.option, method.name) == (option, name):
                    return cls(method, number)
            raise InputError(f"{option} takes {', '.join(names(option)) or 'no name'}, not {value}")
        return cls()

    def units(self, model: Any) -> dict[str, Any]:
        """What the device needs, as options of ``open_device``."""
        from formats.engine import EngineParameters
        from formats.router.descriptor import RouterParameters
        from sw_runtime.nn.attach import compressed_linears

        formats = tuple(sorted({layer.format_name for layer in compressed_linears(model).values()}))
        if self.method is None:
            return {"parameters": EngineParameters(formats)}
        slots = max(self.method.bitmaps(model.config.num_hidden_layers), RouterParameters.slots)
        parameters = EngineParameters(formats, batch=self.method.vectors(self.number))
        return {"parameters": parameters, "router": RouterParameters(slots=slots)}
