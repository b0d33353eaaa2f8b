"""Which layer holds the weights of which format."""

from formats.errors import InputError
from formats.fp16 import FP16
from formats.palette_format import PALETTES
from formats.presets import PRESETS
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.fp16_linear import Fp16Linear
from sw_runtime.nn.linear import SeedLinear
from sw_runtime.nn.palette_linear import PaletteLinear


def stored_formats() -> tuple[str, ...]:
    """Names of every format that a compressed folder may hold."""
    return (*PRESETS, *PALETTES, FP16)


def layer_class(format_name: str) -> type[DeviceLinear]:
    """The class of a format's layers.

    Raises
    ------
    InputError
        If no folder holds such a format, naming those that one may hold.
    """
    if format_name in PRESETS:
        return SeedLinear
    if format_name in PALETTES:
        return PaletteLinear
    if format_name == FP16:
        return Fp16Linear
    raise InputError(f"no layer holds the format {format_name!r}; known: {', '.join(stored_formats())}")
