"""Whatever comes in, and however slowly, every command gets one answer, in order."""

from random import Random

import pytest

from formats.router.descriptor import Command, Opcode
from hw.router.parameters import COMMAND_QUEUE_DEPTH
from sw_runtime.device.simulator.library import IDEAL, Traffic
from tests.hw.router.bench import Bench
from tests.hw.router.problems import Problem, Problems, mutilated


def test_queued_commands_are_answered_in_order_with_their_tags(bench: Bench) -> None:
    problems = Problems(bench.parameters, Random(1))
    count = 2 * COMMAND_QUEUE_DEPTH
    drawn = [problems.draw(opcode) for opcode in [*Opcode, *Opcode, *Opcode][:count]]
    tagged = [
        Problem(Command(**{**vars(problem.command), "tag": 255 - tag}), problem.data)
        for tag, problem in enumerate(drawn)
    ]
    # while the host takes nothing, the queue fills up; compared in the order of the tags
    bench.check(tagged, Traffic(results=0.05))


@pytest.mark.parametrize(
    "pauses",
    [
        Traffic(commands=0.05),
        Traffic(memory=0.05),
        Traffic(results=0.05),
        Traffic(0.5, 0.5, 0.5),
        Traffic(memory=0.1, results=0.9, commands=0.9),
    ],
    ids=str,
)
def test_answers_do_not_depend_on_pauses(odd: Bench, pauses: Traffic) -> None:
    random = Random(2)
    problems = Problems(odd.parameters, random)
    odd.check([problems.draw(opcode) for _ in range(10) for opcode in random.sample(list(Opcode), len(Opcode))], pauses)


def test_any_sequence_of_commands_and_packets_is_answered(odd: Bench) -> None:
    random = Random(3)
    problems = Problems(odd.parameters, random)
    for _ in range(40):
        batch = [mutilated(problems.draw(random.choice(list(Opcode))), random) for _ in range(25)]
        odd.check(batch, random.choice((IDEAL, Traffic(0.5, 0.5, 0.5))))
