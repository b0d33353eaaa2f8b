// What every harness shares: a verilated unit out of reset, and pseudo-random pauses for its streams.

#pragma once

#include <cstdint>
#include <memory>

#include "verilated.h"

template <class Unit>
struct Simulation {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Unit> unit{new Unit{context.get()}};
    uint64_t random = 0x9E3779B97F4A7C15;

    explicit Simulation(uint64_t seed) {
        random ^= seed;
        unit->rst = 1;
        for (int edge = 0; edge < 4; edge++) {
            unit->clk = edge & 1;
            unit->eval();
        }
        unit->rst = 0;
    }

    // True in a pseudo-random `chance / 2^32` of the calls.
    bool draw(uint64_t chance) {
        if (chance >> 32) return true;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return (random >> 32) < chance;
    }
};
