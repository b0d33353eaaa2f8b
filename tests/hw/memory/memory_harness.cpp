// Drives the subject's streams and an SDRAM on its pins, a whole traffic a call. Behind harness.cpp and the model.

struct MemorySimulation {
    Simulation simulation;
    Sdram sdram;
};

extern "C" {

// Fields in the order of simulation.py.
struct MemoryRun {
    Items runs;
    Items beats;
    Items readings;
    Items commands;
    uint32_t *taken;
    uint64_t taken_count;
    uint64_t taken_chance;
    uint64_t *results;
    uint64_t result_count;
    uint64_t cycle_limit;
    uint64_t cycles;
    uint64_t first;
    uint64_t last;
    uint64_t broken_offers;
};

void *memory_open(uint64_t seed, int controller, Timing timing, Geometry geometry) {
    auto *memory = new MemorySimulation{Simulation{seed}, {timing, geometry}};
    memory->simulation.unit->controller = controller;
    return memory;
}

void memory_close(void *handle) { delete static_cast<MemorySimulation *>(handle); }

uint64_t run_bytes() { return sizeof(Vaccelerator::i_run___05Fpayload); }
#ifdef PRODUCTS
uint64_t command_bytes() { return sizeof(Vaccelerator::i_command___05Fpayload); }
#endif
uint64_t reading_bytes() { return sizeof(Vaccelerator::i_reading___05Fpayload); }

const char *sdram_rules() { return RULES; }

void sdram_report(void *handle, int64_t *broken, int64_t *commands, int64_t *longest_gap) {
    const Sdram &sdram = static_cast<MemorySimulation *>(handle)->sdram;
    std::copy_n(sdram.broken, RULE_COUNT, broken);
    std::copy_n(sdram.commands, 8, commands);
    *longest_gap = sdram.longest_gap;
}

// Runs until everything offered has been taken and everything expected has come. Returns 0, or 1 at the cycle limit.
int memory_run(void *handle, int kind, MemoryRun *run) {
    auto &memory = *static_cast<MemorySimulation *>(handle);
    Simulation &simulation = memory.simulation;
    Vaccelerator &unit = *simulation.unit;
    SOURCE(runs, i_run, run->runs);
    SOURCE(beats, i, run->beats);
    SOURCE(readings, i_reading, run->readings);
#ifdef PRODUCTS
    SOURCE(commands, i_command, run->commands);
    uint64_t results = 0;
#endif
    uint64_t taken = 0;
    bool pending = false;
    uint32_t pending_payload = 0;
    unit.kind = kind;
    run->cycles = run->broken_offers = 0;
    bool done = false;
    while (!done) {
        if (run->cycles == run->cycle_limit) return 1;
        runs.offer(simulation);
        beats.offer(simulation);
        readings.offer(simulation);
        unit.o___05Fready = taken < run->taken_count && simulation.draw(run->taken_chance);
        unit.pins___05Fdq_i = memory.sdram.captured();
#ifdef PRODUCTS
        commands.offer(simulation);
        unit.o_results___05Fready = 1;
#endif
        unit.clk = 0;
        simulation.settle();
        runs.look();
        beats.look();
        readings.look();
        const bool valid = unit.o___05Fvalid;
        const uint32_t payload = unit.o___05Fpayload;
        if (pending && (!valid || payload != pending_payload)) run->broken_offers++;
        pending = valid && !unit.o___05Fready;
        pending_payload = payload;
        if (valid && unit.o___05Fready) {
            if (!taken) run->first = run->cycles;
            run->last = run->cycles;
            run->taken[taken++] = payload;
        }
#ifdef PRODUCTS
        commands.look();
        if (unit.o_results___05Fvalid && results < run->result_count) {
            run->last = run->cycles;
            run->results[results++] = unit.o_results___05Fpayload;
        }
#endif
        memory.sdram.edge({bool(unit.pins___05Fcke), bool(unit.pins___05Fcs), bool(unit.pins___05Fras),
                           bool(unit.pins___05Fcas), bool(unit.pins___05Fwe), bool(unit.pins___05Fdq_oe),
                           unit.pins___05Fba, unit.pins___05Fa, unit.pins___05Fdqm, unit.pins___05Fdq_o});
        simulation.rise();
        runs.advance();
        beats.advance();
        readings.advance();
        run->cycles++;
        done = taken == run->taken_count && !runs.left && !beats.left && !readings.left;
#ifdef PRODUCTS
        commands.advance();
        done = done && results == run->result_count && !commands.left;
#endif
    }
    return 0;
}

}  // extern "C"
