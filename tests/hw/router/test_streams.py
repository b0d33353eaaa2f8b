"""Whatever comes in, and however slowly, every command gets one answer, in order."""

from random import Random

import pytest

from golden_models.router.descriptor import Command, Flag, Opcode
from golden_models.router.legality import element_bytes
from hw.router.parameters import COMMAND_QUEUE_DEPTH
from sw_runtime.device.simulator.router_library import Pauses
from tests.hw.router.bench import Bench
from tests.hw.router.problems import Problem, Problems


def test_queued_commands_are_answered_in_order_with_their_tags(bench: Bench) -> None:
    problems = Problems(bench.parameters, Random(1))
    count = 2 * COMMAND_QUEUE_DEPTH
    drawn = [problems.draw(opcode) for opcode in [*Opcode, *Opcode, *Opcode][:count]]
    tagged = [
        Problem(Command(**{**vars(problem.command), "tag": 255 - tag}), problem.data)
        for tag, problem in enumerate(drawn)
    ]
    # while the host takes nothing, the queue fills up; compared in the order of the tags
    bench.check(tagged, Pauses(answers=0.05))


@pytest.mark.parametrize(
    "pauses",
    [Pauses(commands=0.05), Pauses(data=0.05), Pauses(answers=0.05), Pauses(0.5, 0.5, 0.5), Pauses(0.9, 0.1, 0.9)],
    ids=str,
)
def test_answers_do_not_depend_on_pauses(odd: Bench, pauses: Pauses) -> None:
    random = Random(2)
    problems = Problems(odd.parameters, random)
    odd.check([problems.draw(opcode) for _ in range(10) for opcode in random.sample(list(Opcode), len(Opcode))], pauses)


def test_any_sequence_of_commands_and_packets_is_answered(odd: Bench) -> None:
    random = Random(3)
    problems = Problems(odd.parameters, random)
    for _ in range(40):
        batch = [_mutilated(problems.draw(random.choice(list(Opcode))), random) for _ in range(25)]
        odd.check(batch, random.choice((None, Pauses(0.5, 0.5, 0.5))))


_REPLACED = {"opcode": 8, "flags": 14, "dst": 8, "sa": 8, "sb": 8, "x": 24, "z": 16, "base": 8}
"""Fields and their bits."""


def _mutilated(problem: Problem, random: Random) -> Problem:
    """The problem with some fields replaced, and any packet where it says that there is one."""
    fields = vars(problem.command).copy()
    for field, bits in _REPLACED.items():
        if random.random() < 0.06:
            fields[field] = random.getrandbits(bits)
    if random.random() < 0.3:
        fields["n"] = random.randint(0, 200)
    with_data = random.random() < 0.7 if random.random() < 0.2 else problem.command.has(Flag.DATA)
    fields["flags"] = fields["flags"] & ~Flag.DATA | (Flag.DATA if with_data else 0)
    command = Command(**fields)
    size = element_bytes(command)
    data = problem.data if problem.data and random.random() < 0.5 else random.randbytes(size * random.randint(1, 60))
    return Problem(command, data if with_data else b"", aborted=with_data and random.random() < 0.2)
