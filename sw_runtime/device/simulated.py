"""The accelerator itself, cycle by cycle: the driver over the Verilog that ships, compiled by Verilator."""

from dataclasses import asdict
from pathlib import Path

from formats.arguments import check_integers, check_types
from formats.engine import EngineParameters
from formats.errors import InputError
from formats.router.descriptor import RouterParameters
from hw.router.parameters import UnitParameters
from sw_runtime.device.driver import Driver
from sw_runtime.device.router_driver import RouterDriver
from sw_runtime.device.simulator.build import RECORDERS
from sw_runtime.device.simulator.library import IDEAL, Traffic
from sw_runtime.device.simulator.transport import VerilatorTransport
from sw_runtime.disk_errors import check_writable

MOST_SIMULATORS = 1024
"""Side by side; each takes megabytes, and more than cores are no faster."""


def simulated_device(
    parameters: EngineParameters,
    traffic: Traffic = IDEAL,
    simulators: int = 0,
    router: RouterParameters | None = None,
    waveform: Path | None = None,
) -> Driver:
    """A device whose every cycle is simulated.

    Parameters
    ----------
    parameters
        The engine to simulate.
    traffic
        Pauses of the memory and of the host; an ideal memory when not given.
    simulators
        Simulators of the engine to run side by side; 0 takes one a core. The counters add up as on
        the one device they stand for.
    router
        The token router to simulate; none when not given.
    waveform
        File to record every signal in, of an engine alone: ``.vcd``, or GTKWave's ``.fst``. It is complete when the
        device is closed.

    Raises
    ------
    InputError
        If an argument is of another type or out of range, or hardware cannot be built for the router's parameters.
    DependencyError
        If a simulator cannot be built.
    OSError
        If the waveform cannot be written.
    """
    check_types(traffic=(traffic, Traffic))
    check_integers(simulators=(simulators, range(MOST_SIMULATORS + 1)))
    if waveform and router:
        raise InputError("a waveform is of an engine or of a router; leave the router out, or use simulated_router")
    _check_waveform(waveform)
    unit = _unit(router) if router else None
    transport = VerilatorTransport(parameters, unit, traffic, simulators, waveform)
    return Driver("simulated", transport, parameters, router)


def simulated_router(parameters: RouterParameters, waveform: Path | None = None) -> RouterDriver:
    """A router of its own, every cycle of it simulated; ``waveform`` as for ``simulated_device``.

    Raises
    ------
    InputError
        If hardware cannot be built for the parameters, or the waveform is of no known format.
    DependencyError
        If the simulator cannot be built.
    OSError
        If the waveform cannot be written.
    """
    _check_waveform(waveform)
    return RouterDriver(VerilatorTransport(None, _unit(parameters), simulators=1, waveform=waveform), parameters)


def _check_waveform(waveform: Path | None) -> None:
    """Refuse a file of another format, before anything is built."""
    check_types(waveform=(waveform, Path | None))
    if waveform and waveform.suffix not in RECORDERS:
        raise InputError(f"a waveform's name ends with {' or '.join(RECORDERS)}, not as {waveform.name!r} does")
    if waveform and not waveform.parent.is_dir():
        raise InputError(f"{waveform.parent} is no folder; name one that is there for the waveform")
    if waveform:
        check_writable(waveform.parent, waveform)


def _unit(parameters: RouterParameters) -> UnitParameters:
    """The same router as hardware.

    Raises
    ------
    InputError
        If hardware cannot be built for the parameters.
    """
    return UnitParameters(**asdict(parameters))
