// Runs pairs side by side; behind them counts differences and changes.
#include "Vaccelerator.h"

double sc_time_stamp() { return 0; }

extern "C" void pairs_run(int seed, uint64_t cycles, int pairs, uint32_t *differing, uint32_t *changing) {
    VerilatedContext context;
    context.randSeed(seed);
    Vaccelerator unit{&context};
    for (uint64_t cycle = 0; cycle < cycles; cycle++) {
        for (int level : {0, 1}) {
            unit.clk = level;
            unit.eval();
        }
    }
    for (int pair = 0; pair < pairs; pair++) {
        differing[pair] = unit.differing[pair];
        changing[pair] = unit.changing[pair];
    }
}
