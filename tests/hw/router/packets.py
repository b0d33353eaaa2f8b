"""Commands and their packets through the router's RTL under cocotb, word for word beside the golden unit."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from formats.router.descriptor import KEY_BITS, Command
from formats.router.stream import to_beats
from hw.router.parameters import UnitParameters
from hw.router.router import Router
from hw.verilog import convert
from tests.hw.router.problems import Problem
from tests.hw.simulate import TOP, run_verilog


def check_packets(parameters: UnitParameters, problems: Sequence[Problem], folder: Path) -> None:
    """Run problems on a router with every pair of stalls; every word must be the golden unit's, busy cycles apart.

    Parameters
    ----------
    parameters
        The router's size.
    problems
        In order; they are shared out among the pairs of stalls, so that each pair goes on where the
        last one left the memories.
    folder
        Where the bench runs.

    Raises
    ------
    SystemExit
        If the bench fails, as cocotb's runner has it.
    """
    run_verilog(router_verilog(parameters), "router", folder, subject=write_packets(parameters, problems, folder))


@cache
def router_verilog(parameters: UnitParameters) -> str:
    """The router's Verilog; many tests share one router, and elaborating it takes seconds."""
    return convert(Router(parameters), TOP)


def write_packets(parameters: UnitParameters, problems: Sequence[Problem], folder: Path) -> str:
    """Put problems into a file for the bench, and return its path."""
    file = folder / "packets.json"
    packets = [[problem.command.words(), problem.data.hex(), problem.aborted] for problem in problems]
    file.write_text(json.dumps({"parameters": asdict(parameters), "packets": packets}))
    return str(file)


def load_packets(file: str) -> tuple[UnitParameters, list[Problem]]:
    """What ``check_packets`` wrote."""
    stored = json.loads(Path(file).read_text())
    packets = [Problem(Command.from_words(words), bytes.fromhex(d), aborted) for words, d, aborted in stored["packets"]]
    return UnitParameters(**stored["parameters"]), packets


def command_payload(problem: Problem) -> int:
    """A command as the router's port takes it."""
    return sum(word << 32 * index for index, word in enumerate(problem.command.words()))


def beat_payloads(problem: Problem, parameters: UnitParameters) -> list[int]:
    """A packet's beats as the router's port takes them."""
    beats = to_beats(problem.data, problem.command, parameters)
    last, abort = 1 << KEY_BITS * parameters.lanes, 2 << KEY_BITS * parameters.lanes
    payloads = [sum(element << KEY_BITS * lane for lane, element in enumerate(beat)) for beat in beats]
    if problem.aborted:
        return [*payloads, abort]
    return [*payloads[:-1], *(payload | last for payload in payloads[-1:])]
