"""The accelerator itself, cycle by cycle: the driver over the Verilog that ships, compiled by Verilator."""

from dataclasses import asdict

from formats.arguments import check_integers, check_types
from formats.engine import EngineParameters
from formats.router.descriptor import RouterParameters
from hw.router.parameters import UnitParameters
from sw_runtime.device.driver import Driver
from sw_runtime.device.router_driver import RouterDriver
from sw_runtime.device.simulator.library import IDEAL, Traffic
from sw_runtime.device.simulator.transport import VerilatorTransport

MOST_SIMULATORS = 1024
"""Side by side; each takes megabytes, and more than cores are no faster."""


def simulated_device(
    parameters: EngineParameters,
    traffic: Traffic = IDEAL,
    simulators: int = 0,
    router: RouterParameters | None = None,
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

    Raises
    ------
    InputError
        If an argument is of another type or out of range, or hardware cannot be built for the router's parameters.
    DependencyError
        If a simulator cannot be built.
    """
    check_types(traffic=(traffic, Traffic))
    check_integers(simulators=(simulators, range(MOST_SIMULATORS + 1)))
    unit = _unit(router) if router else None
    return Driver("simulated", VerilatorTransport(parameters, unit, traffic, simulators), parameters, router)


def simulated_router(parameters: RouterParameters) -> RouterDriver:
    """A router of its own, every cycle of it simulated.

    Raises
    ------
    InputError
        If hardware cannot be built for the parameters.
    DependencyError
        If the simulator cannot be built.
    """
    return RouterDriver(VerilatorTransport(None, _unit(parameters), simulators=1), parameters)


def _unit(parameters: RouterParameters) -> UnitParameters:
    """The same router as hardware.

    Raises
    ------
    InputError
        If hardware cannot be built for the parameters.
    """
    return UnitParameters(**asdict(parameters))
