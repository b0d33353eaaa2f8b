// Drives an image loader whose pins are wired to a card. Behind harness.cpp and card_model.cpp.

extern "C" {

// Fields in the order of simulation.py.
struct CardRun {
    CardSettings card;
    uint64_t taken_chance;        // of the cycles in which the memory takes a word
    uint64_t cycle_limit;
    uint32_t *words;              // that were written
    uint64_t room;
    uint64_t word_count;
    uint64_t cycles;
    uint64_t error;
    uint64_t said_words, said_left;  // what the loader says of its words at the end
    uint64_t broken;              // rules of the card, a bit each
    uint64_t broken_offers;
    uint64_t unflushed;           // words that the memory had not been told to write at the end
};

void *card_open(uint64_t seed) { return new Simulation{seed}; }

void card_close(void *handle) { delete static_cast<Simulation *>(handle); }

// Loads once. Returns 0, or 1 at the cycle limit.
int card_run(void *handle, CardRun *run, uint64_t seed) {
    Simulation &simulation = *static_cast<Simulation *>(handle);
    Vaccelerator &unit = *simulation.unit;
    Card card{run->card, seed};
    bool pending = false;
    uint32_t offered = 0;
    run->word_count = run->broken_offers = run->unflushed = 0;
    for (run->cycles = 0; run->cycles < run->cycle_limit; run->cycles++) {
        unit.start = run->cycles == 0;
        unit.pins___05Fcipo = card.cipo;
        unit.write_empty = run->unflushed == 0;
        unit.o___05Fready = 0;
        unit.clk = 0;
        simulation.settle();
        // a memory may wait for a word before it is ready
        unit.o___05Fready = unit.o___05Fvalid && simulation.draw(run->taken_chance);
        simulation.settle();
        if (unit.write_start) run->word_count = run->unflushed = 0;
        if (pending && !(unit.o___05Fvalid && unit.o___05Fpayload == offered)) run->broken_offers++;
        pending = unit.o___05Fvalid && !unit.o___05Fready;
        offered = unit.o___05Fpayload;
        if (unit.o___05Fvalid && unit.o___05Fready) {
            if (run->word_count < run->room) run->words[run->word_count] = offered;
            run->word_count++;
            run->unflushed++;
        } else if (unit.write_flush && run->unflushed) {
            run->unflushed--;
        }
        card.cycle(unit.pins___05Fcs, unit.pins___05Fclk, unit.pins___05Fcopi, run->cycles);
        bool done = unit.done;
        run->error = unit.error;
        run->said_words = unit.words;
        run->said_left = unit.left;
        run->broken = card.broken;
        simulation.rise();
        if (done) return 0;
    }
    return 1;
}

}  // extern "C"
