// Drives the verilated engine: a whole matrix-vector product a call, so that no signal crosses into Python.
//
// Each stream may be throttled: a source offers its next beat, and the sink accepts, in a pseudo-random
// `chance / 2^32` of the cycles. A beat once offered stays until it is taken.

#include <cstdint>
#include <cstring>

#include "Vengine.h"
#include "simulation.h"

using EngineSimulation = Simulation<Vengine>;

extern "C" {

// Fields in the order of `Product` in library.py.
struct Product {
    uint64_t command;
    const uint8_t *activations;
    uint64_t activation_beats;
    const uint8_t *weights;
    uint64_t weight_beats;
    uint8_t *results;
    uint64_t result_beats;
    uint64_t data_chance;
    uint64_t result_chance;
    uint64_t cycle_limit;
    uint64_t cycles;
};

void *engine_open(uint64_t seed) { return new EngineSimulation{seed}; }

void engine_close(void *handle) { delete static_cast<EngineSimulation *>(handle); }

// Runs one product from its command to its last result. Returns 0, or 1 when the cycle limit passed first.
int engine_run(void *handle, Product *product) {
    auto &simulation = *static_cast<EngineSimulation *>(handle);
    Vengine &engine = *simulation.unit;
    constexpr size_t port_bytes = sizeof(engine.i_data___05Fpayload);
    constexpr size_t result_bytes = sizeof(engine.o_results___05Fpayload);
    const uint64_t beats = product->activation_beats + product->weight_beats;
    uint64_t taken = 0, results = 0, cycles = 0;
    bool offered = false;
    engine.i_command___05Fvalid = 1;
    engine.i_command___05Fpayload = product->command;
    while (results < product->result_beats) {
        if (cycles == product->cycle_limit) return 1;
        if (!offered && taken < beats && simulation.draw(product->data_chance)) {
            const uint8_t *beat = taken < product->activation_beats
                                      ? product->activations + taken * port_bytes
                                      : product->weights + (taken - product->activation_beats) * port_bytes;
            std::memcpy(&engine.i_data___05Fpayload, beat, port_bytes);
            offered = true;
        }
        engine.i_data___05Fvalid = offered;
        engine.o_results___05Fready = simulation.draw(product->result_chance);
        engine.clk = 0;
        engine.eval();
        const bool command_taken = engine.i_command___05Fvalid && engine.i_command___05Fready;
        const bool beat_taken = offered && engine.i_data___05Fready;
        if (engine.o_results___05Fvalid && engine.o_results___05Fready) {
            std::memcpy(product->results + results * result_bytes, &engine.o_results___05Fpayload, result_bytes);
            results++;
        }
        engine.clk = 1;
        engine.eval();
        if (command_taken) engine.i_command___05Fvalid = 0;
        if (beat_taken) {
            taken++;
            offered = false;
        }
        cycles++;
    }
    product->cycles = cycles;
    return 0;
}

}  // extern "C"
