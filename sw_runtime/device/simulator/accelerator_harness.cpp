// Drives the verilated accelerator: batches of router commands, and routed products, a call each.

#include "Vaccelerator.h"
#include "router_batch.h"

using AcceleratorSimulation = Simulation<Vaccelerator>;

extern "C" {

// Fields in the order of `RoutedProduct` in accelerator_library.py.
struct RoutedProduct {
    const uint8_t *product_command;
    const uint8_t *router_command;
    const uint8_t *beats;
    uint64_t beat_count;
    const uint8_t *scales;
    uint64_t scale_count;
    uint16_t *words;
    uint64_t word_limit;
    uint64_t word_count;
    uint64_t data_chance;
    uint64_t answer_chance;
    uint64_t cycle_limit;
    uint64_t cycles;
};

void *router_open(uint64_t seed) { return new AcceleratorSimulation{seed}; }

void router_close(void *handle) { delete static_cast<AcceleratorSimulation *>(handle); }

uint64_t router_beat_bytes() { return sizeof(Vaccelerator::i_router_data___05Fpayload); }

int router_run(void *handle, Batch *batch) {
    auto &simulation = *static_cast<AcceleratorSimulation *>(handle);
    Vaccelerator &unit = *simulation.unit;
    return run_batch(
        simulation,
        Port{unit.i_router_command___05Fvalid, unit.i_router_command___05Fready, unit.i_router_command___05Fpayload},
        Port{unit.i_router_data___05Fvalid, unit.i_router_data___05Fready, unit.i_router_data___05Fpayload},
        Port{unit.o_router_answer___05Fvalid, unit.o_router_answer___05Fready, unit.o_router_answer___05Fpayload},
        batch);
}

uint64_t accelerator_command_bytes() { return sizeof(Vaccelerator::i_command___05Fpayload); }

// Runs one product and the router command that takes its results, until the command is answered. Returns 0, or 1
// when the cycle limit or the space for words ran out first, or a result left for the host.
int accelerator_run(void *handle, RoutedProduct *run) {
    auto &simulation = *static_cast<AcceleratorSimulation *>(handle);
    Vaccelerator &unit = *simulation.unit;
    Port product_port{unit.i_command___05Fvalid, unit.i_command___05Fready, unit.i_command___05Fpayload};
    Port router_port{unit.i_router_command___05Fvalid, unit.i_router_command___05Fready,
                     unit.i_router_command___05Fpayload};
    Port data_port{unit.i_data___05Fvalid, unit.i_data___05Fready, unit.i_data___05Fpayload};
    Port scale_port{unit.i_scales___05Fvalid, unit.i_scales___05Fready, unit.i_scales___05Fpayload};
    constexpr uint64_t always = uint64_t{1} << 32;
    Source products{run->product_command, 1, always};
    Source commands{run->router_command, 1, always};
    Source beats{run->beats, run->beat_count, run->data_chance};
    Source scales{run->scales, run->scale_count, run->data_chance};
    bool answered = false;
    run->word_count = run->cycles = 0;
    unit.o_results___05Fready = 1;
    while (!answered) {
        if (run->cycles == run->cycle_limit || run->word_count == run->word_limit) return 1;
        products.offer(simulation, product_port);
        commands.offer(simulation, router_port);
        beats.offer(simulation, data_port);
        scales.offer(simulation, scale_port);
        unit.o_router_answer___05Fready = simulation.draw(run->answer_chance);
        unit.clk = 0;
        unit.eval();
        const bool product_taken = products.takes(product_port);
        const bool command_taken = commands.takes(router_port);
        const bool beat_taken = beats.takes(data_port);
        const bool scale_taken = scales.takes(scale_port);
        if (unit.o_results___05Fvalid) return 1;
        if (unit.o_router_answer___05Fvalid && unit.o_router_answer___05Fready) {
            run->words[run->word_count++] = unit.o_router_answer___05Fpayload & 0xFFFF;
            answered = unit.o_router_answer___05Fpayload >> 16;
        }
        unit.clk = 1;
        unit.eval();
        if (product_taken) products.taken(product_port);
        if (command_taken) commands.taken(router_port);
        if (beat_taken) beats.taken(data_port);
        if (scale_taken) scales.taken(scale_port);
        run->cycles++;
    }
    return 0;
}

}  // extern "C"
