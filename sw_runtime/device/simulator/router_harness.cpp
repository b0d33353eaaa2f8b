// Drives the verilated router: a batch of commands a call, so that no signal crosses into Python.
//
// Each stream may be throttled: a source offers its next beat, and the sink accepts, in a pseudo-random
// `chance / 2^32` of the cycles. A beat once offered stays until it is taken.

#include <cstdint>
#include <cstring>

#include "Vrouter.h"
#include "simulation.h"

namespace {

using RouterSimulation = Simulation<Vrouter>;

// One input of the router: what is left to send, and whether the next item is on offer.
struct Source {
    const uint8_t *items;
    uint64_t left;
    size_t bytes;
    uint64_t chance;
    bool offered;

    void offer(RouterSimulation &simulation, void *payload) {
        if (!offered && left && simulation.draw(chance)) {
            std::memcpy(payload, items, bytes);
            offered = true;
        }
    }
    void taken() {
        items += bytes;
        left--;
        offered = false;
    }
};

}  // namespace

extern "C" {

// Fields in the order of `Batch` in router_library.py.
struct Batch {
    const uint8_t *commands;
    uint64_t command_count;
    const uint8_t *beats;
    uint64_t beat_count;
    uint16_t *words;
    uint64_t word_limit;
    uint64_t word_count;
    uint64_t command_chance;
    uint64_t data_chance;
    uint64_t answer_chance;
    uint64_t cycle_limit;
    uint64_t cycles;
    uint64_t broken_offers;
};

void *router_open(uint64_t seed) { return new RouterSimulation{seed}; }

void router_close(void *handle) { delete static_cast<RouterSimulation *>(handle); }

uint64_t router_beat_bytes() { return sizeof(Vrouter::i_data___05Fpayload); }

// Runs commands and their packets until every command is answered. Returns 0, or 1 when the cycle limit or the
// space for words ran out first. Words that changed or vanished before they were taken are counted as broken offers.
int router_run(void *handle, Batch *batch) {
    auto &simulation = *static_cast<RouterSimulation *>(handle);
    Vrouter &router = *simulation.unit;
    Source commands{batch->commands, batch->command_count, sizeof(router.i_cmd___05Fpayload), batch->command_chance, false};
    Source beats{batch->beats, batch->beat_count, sizeof(router.i_data___05Fpayload), batch->data_chance, false};
    uint64_t answered = 0;
    bool pending = false;
    uint32_t pending_word = 0;
    batch->word_count = batch->cycles = batch->broken_offers = 0;
    while (answered < batch->command_count) {
        if (batch->cycles == batch->cycle_limit || batch->word_count == batch->word_limit) return 1;
        commands.offer(simulation, &router.i_cmd___05Fpayload);
        beats.offer(simulation, &router.i_data___05Fpayload);
        router.i_cmd___05Fvalid = commands.offered;
        router.i_data___05Fvalid = beats.offered;
        router.o_rsp___05Fready = simulation.draw(batch->answer_chance);
        router.clk = 0;
        router.eval();
        const bool command_taken = commands.offered && router.i_cmd___05Fready;
        const bool beat_taken = beats.offered && router.i_data___05Fready;
        const uint32_t word = router.o_rsp___05Fpayload;
        if (pending && (!router.o_rsp___05Fvalid || word != pending_word)) batch->broken_offers++;
        pending = router.o_rsp___05Fvalid && !router.o_rsp___05Fready;
        pending_word = word;
        if (router.o_rsp___05Fvalid && router.o_rsp___05Fready) {
            batch->words[batch->word_count++] = word & 0xFFFF;
            answered += word >> 16;
        }
        router.clk = 1;
        router.eval();
        if (command_taken) commands.taken();
        if (beat_taken) beats.taken();
        batch->cycles++;
    }
    return 0;
}

}  // extern "C"
