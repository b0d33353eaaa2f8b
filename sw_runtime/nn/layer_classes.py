"""Which layer holds the weights of which format."""

from formats.block import BlockFormat
from formats.engine import format_names
from formats.errors import InputError
from formats.fp16 import FP16
from formats.palette_format import Palette
from formats.presets import preset_named
from formats.trellis import TrellisFormat
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.fp16_linear import Fp16Linear
from sw_runtime.nn.linear import SeedLinear
from sw_runtime.nn.palette_linear import PaletteLinear
from sw_runtime.nn.trellis_linear import TrellisLinear

LAYER_CLASSES: dict[type, type[DeviceLinear]] = {
    BlockFormat: SeedLinear,
    TrellisFormat: TrellisLinear,
    Palette: PaletteLinear,
}
"""The layers of every family of formats, by the class of its layouts."""


def layer_class(format_name: str) -> type[DeviceLinear]:
    """The class of a format's layers.

    Raises
    ------
    InputError
        If no folder holds such a format, naming those that one may hold.
    """
    if format_name not in format_names():
        raise InputError(f"no layer holds the format {format_name!r}; known: {', '.join(format_names())}")
    if format_name == FP16:
        return Fp16Linear
    return LAYER_CLASSES[type(preset_named(format_name).layout)]
