// A batch of commands through a router, on its own or inside an accelerator.

#pragma once

#include "simulation.h"

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

}  // extern "C"

// Runs commands and their packets until every command is answered. Returns 0, or 1 when the cycle limit or the
// space for words ran out first. Words that changed or vanished before they were taken are counted as broken offers.
template <class Unit, class Command, class Beat, class Word>
int run_batch(Simulation<Unit> &simulation, Port<Command> command_port, Port<Beat> data_port, Port<Word> answer_port,
              Batch *batch) {
    Unit &unit = *simulation.unit;
    Source commands{batch->commands, batch->command_count, batch->command_chance};
    Source beats{batch->beats, batch->beat_count, batch->data_chance};
    uint64_t answered = 0;
    bool pending = false;
    uint32_t pending_word = 0;
    batch->word_count = batch->cycles = batch->broken_offers = 0;
    while (answered < batch->command_count) {
        if (batch->cycles == batch->cycle_limit || batch->word_count == batch->word_limit) return 1;
        commands.offer(simulation, command_port);
        beats.offer(simulation, data_port);
        answer_port.ready = simulation.draw(batch->answer_chance);
        unit.clk = 0;
        unit.eval();
        const bool command_taken = commands.takes(command_port);
        const bool beat_taken = beats.takes(data_port);
        const uint32_t word = answer_port.payload;
        if (pending && (!answer_port.valid || word != pending_word)) batch->broken_offers++;
        pending = answer_port.valid && !answer_port.ready;
        pending_word = word;
        if (answer_port.valid && answer_port.ready) {
            batch->words[batch->word_count++] = word & 0xFFFF;
            answered += word >> 16;
        }
        unit.clk = 1;
        unit.eval();
        if (command_taken) commands.taken(command_port);
        if (beat_taken) beats.taken(data_port);
        batch->cycles++;
    }
    return 0;
}
