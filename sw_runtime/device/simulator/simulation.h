// What every harness shares: a verilated unit out of reset, and streams with pseudo-random pauses.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
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

// The three signals of a stream, wherever they lie in a unit.
template <class Payload>
struct Port {
    CData &valid;
    CData &ready;
    Payload &payload;
};

template <class Payload>
Port(CData &, CData &, Payload &) -> Port<Payload>;

// One input: what is left to send, and whether the next item is on offer. An offer stays until it is taken.
struct Source {
    const uint8_t *items;
    uint64_t left;
    uint64_t chance;
    bool offered = false;

    template <class Unit, class Payload>
    void offer(Simulation<Unit> &simulation, const Port<Payload> &port) {
        if (!offered && left && simulation.draw(chance)) {
            std::memcpy(&port.payload, items, sizeof(Payload));
            offered = true;
        }
        port.valid = offered;
    }

    // After the clock's low half: whether the port takes the item at the coming edge.
    template <class Payload>
    bool takes(const Port<Payload> &port) const {
        return offered && port.ready;
    }

    template <class Payload>
    void taken(const Port<Payload> &) {
        items += sizeof(Payload);
        left--;
        offered = false;
    }
};
