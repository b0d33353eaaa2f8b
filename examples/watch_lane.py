"""Run one lane on a row of random words, and write every signal as a waveform.

    python examples/watch_lane.py lane.vcd [trellis-4bit]

Amaranth's own simulator runs it, so nothing is compiled. The sums are compared with the golden model's; if one differs,
the exit code is 1.
"""

import sys

import torch
from amaranth.sim import Simulator, SimulatorContext

from formats.engine import GENERATOR_LATENCY
from formats.presets import TRELLIS_PRESETS
from golden_models.trellis import integer_weights
from hw.engine.lane import Lane

WORDS = 16
ACTIVATION_BITS = 8


def main(waveform: str, name: str = "trellis-4bit") -> None:
    """Feed a word per cycle; write the waveform to the file ``waveform``."""
    torch.manual_seed(0)
    trellis = TRELLIS_PRESETS[name]
    lane = Lane([trellis], ACTIVATION_BITS, batch=1)
    words = torch.randint(1 << trellis.word_bits, (1, WORDS))
    activations = torch.randint(-128, 128, (WORDS, trellis.block_size))
    sums: list[int] = []

    async def bench(context: SimulatorContext) -> None:
        for cycle in range(WORDS + lane.latency):
            reading, multiplied = cycle < WORDS, cycle - GENERATOR_LATENCY
            context.set(lane.valid, reading)
            context.set(lane.first, cycle == 0)
            context.set(lane.word, int(words[0, cycle]) if reading else 0)
            if 0 <= multiplied < WORDS:  # the weights of this word are there now
                for place in range(trellis.block_size):
                    context.set(lane.activations[0][place], int(activations[multiplied, place]))
            if cycle >= lane.latency:
                sums.append(context.get(lane.sums[0]))
            await context.tick()

    simulator = Simulator(lane)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    with simulator.write_vcd(waveform):
        simulator.run()
    weights = integer_weights(words, trellis, WORDS * trellis.block_size).view(WORDS, -1)
    golden = (weights * activations).sum(dim=-1).tolist()
    equal = sum(mine == right for mine, right in zip(sums, golden, strict=True))
    print(f"{equal} of {WORDS} sums equal the golden model's; a word's sum leaves {lane.latency} cycles after the word")
    if equal < WORDS:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
