// Drives the subject's streams, a whole traffic a call, and notes what commands the chip sees. Behind harness.cpp.

#include <cstdio>
#include <vector>

// Fields in the order of simulation.py.
struct ChipCommand {
    uint64_t clock;  // of the chip: two of ours
    uint64_t control;
    uint64_t command;
    uint64_t bank;
    uint64_t address;
};

struct Ddr3Simulation {
    Simulation simulation;
    uint64_t cycles = 0;
    uint64_t control = 0;
    std::vector<ChipCommand> seen;

    // One cycle of the clock, in whose low half everything has settled.
    void edge() {
        const Vaccelerator &unit = *simulation.unit;
        for (int phase = 0; phase < 2; phase++) {
            const uint64_t command = unit.dfi_command >> 4 * phase & 15;
            const bool nothing = command & 8 || (command & 7) == 7;
            if (nothing && unit.dfi_control == control) continue;
            control = unit.dfi_control;
            seen.push_back({2 * cycles + phase, control, nothing ? 7 : command, uint64_t(unit.dfi_bank >> 4 * phase & 7),
                            uint64_t(unit.dfi_address >> 16 * phase & 0xFFFF)});
        }
        simulation.unit->clk = 1;
        simulation.unit->eval();
        cycles++;
    }
};

extern "C" {

struct Lane {
    uint64_t first;
    uint64_t last;
    uint64_t bitslip;
    uint64_t detects;
};

struct Ddr3Run {
    Items runs;
    Items beats;
    uint64_t *taken;
    uint64_t taken_count;
    uint64_t taken_chance;
    uint64_t cycle_limit;
    uint64_t first;
    uint64_t last;
};

void *ddr3_open(uint64_t seed, const Lane *lanes) {
    auto *memory = new Ddr3Simulation{Simulation{seed}};
    Vaccelerator &unit = *memory->simulation.unit;
    unit.lane_first_0 = lanes[0].first;
    unit.lane_last_0 = lanes[0].last;
    unit.lane_bitslip_0 = lanes[0].bitslip;
    unit.lane_detects_0 = lanes[0].detects;
    unit.lane_first_1 = lanes[1].first;
    unit.lane_last_1 = lanes[1].last;
    unit.lane_bitslip_1 = lanes[1].bitslip;
    unit.lane_detects_1 = lanes[1].detects;
    return memory;
}

void ddr3_close(void *handle) { delete static_cast<Ddr3Simulation *>(handle); }

uint64_t ddr3_cycles(void *handle) { return static_cast<Ddr3Simulation *>(handle)->cycles; }

uint64_t ddr3_seen(void *handle, const ChipCommand **commands) {
    const auto &seen = static_cast<Ddr3Simulation *>(handle)->seen;
    *commands = seen.data();
    return seen.size();
}

uint64_t run_bytes() { return sizeof(Vaccelerator::i_run___05Fpayload); }

// Runs until the start is done or has failed: 1 or 2, or 0 at the limit. What was found for the lanes is in `found`.
int ddr3_start(void *handle, uint64_t cycle_limit, uint64_t *found) {
    auto &memory = *static_cast<Ddr3Simulation *>(handle);
    Vaccelerator &unit = *memory.simulation.unit;
    unit.i_run___05Fvalid = unit.i___05Fvalid = unit.o___05Fready = 0;
    for (uint64_t cycle = 0; cycle < cycle_limit; cycle++) {
        unit.clk = 0;
        unit.eval();
        found[0] = unit.found_0;
        found[1] = unit.found_1;
        const int end = unit.done ? 1 : unit.failed ? 2 : 0;
        memory.edge();
        std::fflush(stdout);
        if (end) return end;
    }
    return 0;
}

// Runs until everything offered has been taken and everything expected has come. Returns 0, or 1 at the cycle limit.
int ddr3_run(void *handle, Ddr3Run *run) {
    auto &memory = *static_cast<Ddr3Simulation *>(handle);
    Simulation &simulation = memory.simulation;
    Vaccelerator &unit = *simulation.unit;
    SOURCE(runs, i_run, run->runs);
    SOURCE(beats, i, run->beats);
    uint64_t taken = 0;
    const uint64_t began = memory.cycles;
    while (taken < run->taken_count || runs.left || beats.left) {
        const uint64_t cycle = memory.cycles - began;
        if (cycle == run->cycle_limit) return 1;
        runs.offer(simulation);
        beats.offer(simulation);
        unit.o___05Fready = taken < run->taken_count && simulation.draw(run->taken_chance);
        unit.clk = 0;
        unit.eval();
        runs.look();
        beats.look();
        if (unit.o___05Fvalid && unit.o___05Fready) {
            if (!taken) run->first = cycle;
            run->last = cycle;
            run->taken[taken++] = unit.o___05Fpayload;
        }
        if (beats.taken) {
            if (!run->taken_count && beats.left == run->beats.count) run->first = cycle;
            if (!run->taken_count) run->last = cycle;
        }
        memory.edge();
        runs.advance();
        beats.advance();
    }
    std::fflush(stdout);
    return 0;
}

}  // extern "C"
