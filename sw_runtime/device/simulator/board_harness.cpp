// Drives a board's requests, many a call, with CHIP the memory chip on its pins, with CARD the card in its slot. Other
// memories are part of the unit.

#include "harness.cpp"
#ifdef CHIP
#include "sdram_model.cpp"
#endif
#ifdef CARD
#include "card_slot.cpp"
#endif

struct BoardSimulation {
    Simulation simulation;
#ifdef CHIP
    Sdram sdram;
#endif
#ifdef CARD
    CardSlot slot;
#endif
};

extern "C" {

// Fields in the order of board.py.
struct BoardRun {
    Items words;
    uint64_t *taken;
    uint64_t taken_limit;
    uint64_t taken_count;
    uint64_t taken_chance;
    uint64_t responses;
    uint64_t cycle_limit;
    uint64_t cycles;
    uint64_t broken_offers;
};

#ifdef CHIP
void *board_open(uint64_t seed, Timing timing, Geometry geometry) {
    return new BoardSimulation{Simulation{seed}, {timing, geometry}};
}

const char *sdram_rules() { return RULES; }

void sdram_report(void *handle, int64_t *broken, int64_t *longest_gap) {
    const Sdram &sdram = static_cast<BoardSimulation *>(handle)->sdram;
    std::copy_n(sdram.broken, RULE_COUNT, broken);
    *longest_gap = sdram.longest_gap;
}
#else
void *board_open(uint64_t seed) { return new BoardSimulation{Simulation{seed}}; }
#endif

#ifdef CARD
void board_insert(void *handle, CardSettings settings) {
    static_cast<BoardSimulation *>(handle)->slot.insert(settings);
}

uint64_t board_broken_card_rules(void *handle) { return static_cast<BoardSimulation *>(handle)->slot.broken(); }
#endif

void board_close(void *handle) { delete static_cast<BoardSimulation *>(handle); }

// Offers all words and takes words until so many of them were the last of their response. Returns 0, or 1 when the cycle
// limit or the space for words ran out first.
int board_run(void *handle, BoardRun *run) {
    auto &board = *static_cast<BoardSimulation *>(handle);
    Simulation &simulation = board.simulation;
    Vaccelerator &unit = *simulation.unit;
    SOURCE(words, i, run->words);
    uint64_t responses = 0, pending_word = 0;
    bool pending = false;
    run->taken_count = run->cycles = run->broken_offers = 0;
    while (responses < run->responses) {
        if (run->cycles == run->cycle_limit || run->taken_count == run->taken_limit) return 1;
        words.offer(simulation);
        unit.o___05Fready = simulation.draw(run->taken_chance);
#ifdef CHIP
        unit.pins___05Fdq_i = board.sdram.captured();
#endif
#ifdef CARD
        board.slot.drive(unit);
#endif
        unit.clk = 0;
        simulation.settle();
        words.look();
        const uint64_t word = unit.o___05Fpayload;
        const bool valid = unit.o___05Fvalid, ready = unit.o___05Fready;
        if (pending && (!valid || word != pending_word)) run->broken_offers++;
        pending = valid && !ready;
        pending_word = word;
        if (valid && ready) {
            run->taken[run->taken_count++] = word;
            responses += word >> 32;
        }
#ifdef CHIP
        board.sdram.edge(pins_of(unit));
#endif
#ifdef CARD
        board.slot.edge(unit);
#endif
        simulation.rise();
        words.advance();
        run->cycles++;
    }
    return 0;
}

}  // extern "C"
