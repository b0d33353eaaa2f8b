"""Language models stored as seeds: compress them, and run them on a device.

Importing this package registers the format with transformers, before or after transformers is imported:
``AutoModelForCausalLM.from_pretrained`` then loads compressed folders.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import TYPE_CHECKING, Any

from formats.errors import CheckpointError, DependencyError, DeviceError, InputError, SeedloomError
from seedloom import foreign_warnings
from seedloom.registration import register_when_imported

if TYPE_CHECKING:
    from formats.engine import EngineParameters
    from formats.router.descriptor import RouterParameters
    from seedloom.api import Generated, generate, inspect, load, verify
    from seedloom.evaluation import evaluate
    from seedloom.images import make_image
    from seedloom.whole_decoder import generate_by_decoder
    from sw_runtime.compress.folder import compress
    from sw_runtime.device.protocol import Device
    from sw_runtime.export.folder import export
    from sw_runtime.nn.attach import attach, detach
    from sw_runtime.nn.lora import register_lora

__version__ = "0.2.0"

__all__ = [
    "CheckpointError",
    "DependencyError",
    "DeviceError",
    "EngineParameters",
    "Generated",
    "InputError",
    "RouterParameters",
    "SeedloomError",
    "__version__",
    "attach",
    "compress",
    "detach",
    "evaluate",
    "export",
    "generate",
    "generate_by_decoder",
    "inspect",
    "load",
    "make_image",
    "open_device",
    "register_lora",
    "verify",
]

DEVICES = "seedloom.devices"
"""Entry points of this group are devices; any installed package may add its own."""

_LAZY = {
    "EngineParameters": "formats.engine",
    "Generated": "seedloom.api",
    "RouterParameters": "formats.router.descriptor",
    "attach": "sw_runtime.nn.attach",
    "compress": "sw_runtime.compress.folder",
    "detach": "sw_runtime.nn.attach",
    "evaluate": "seedloom.evaluation",
    "export": "sw_runtime.export.folder",
    "generate": "seedloom.api",
    "generate_by_decoder": "seedloom.whole_decoder",
    "inspect": "seedloom.api",
    "load": "seedloom.api",
    "make_image": "seedloom.images",
    "register_lora": "sw_runtime.nn.lora",
    "verify": "seedloom.api",
}

foreign_warnings.hide()
register_when_imported()


def __getattr__(name: str) -> Any:
    """What needs torch or more is imported when first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'seedloom' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def device_names() -> list[str]:
    """Names of the installed devices, as ``open_device`` takes them."""
    return sorted(entry_points(group=DEVICES).names)


def find_device(name: str, others: tuple[str, ...] = ()) -> EntryPoint:
    """The entry point of a device; what follows a colon in its name is not looked at.

    Parameters
    ----------
    name
        The device's name.
    others
        What may stand in its place, for the message.

    Raises
    ------
    InputError
        If no installed package has such a device.
    """
    found = entry_points(group=DEVICES, name=str(name).partition(":")[0])
    if not found:
        names = ", ".join([*others, *device_names()]) or "none: `pip install` the package, that its devices are found"
        raise InputError(f"no device {name!r}; choose from {names}")
    return next(iter(found))


def open_device(name: str, **options: Any) -> "Device":
    """A device by name, ready for ``attach``.

    Parameters
    ----------
    name
        ``"emulated"``: the device's integers at the speed of a matrix library.
        ``"simulated"``: its Verilog, cycle by cycle.
        ``"simulated-board:NAME"``: the Verilog of a board, ``hw.board.boards`` has the names, with its memory.
        ``"serial:PATH@BAUD"``: a board on a serial port; ``"serial:pty:NAME"``: a simulated one behind a terminal.
        Other packages may bring more, see ``device_names``. What follows a colon is the device's option ``place``.
    options
        Passed on to the device's entry point: ``parameters=EngineParameters(...)`` for its engine, and
        ``router=RouterParameters(...)`` for a token router beside it.

    Raises
    ------
    InputError
        If no installed package has such a device, ``parameters`` or ``router`` are of another kind, or the device
        lacks an option or does not take one.
    """
    from formats.engine import EngineParameters
    from formats.router.descriptor import RouterParameters

    for option, kind in (("parameters", EngineParameters), ("router", RouterParameters)):
        if not isinstance(options.get(option), kind | None):
            raise InputError(f"{option} must be seedloom.{kind.__name__}(...), not {options[option]!r}")
    options = {option: value for option, value in options.items() if value is not None}
    opened: Callable[..., Device] = find_device(name).load()
    _, _, place = name.partition(":")
    options |= {"place": place} if place else {}
    try:
        signature(opened).bind(**options)
    except TypeError as error:
        remedy = "; the place is what follows a colon, as in serial:/dev/ttyUSB0" if "'place'" in str(error) else ""
        raise InputError(f"device {name!r} cannot be opened with these options: {error}{remedy}") from error
    return opened(**options)
