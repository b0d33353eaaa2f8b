// Drives a unit on a line, many bytes a call. Behind harness.cpp. With DIVISOR the line is the pins `rx` and `tx` of a
// UART of so many cycles per bit; without, the byte streams `i`, of LINE_CYCLES or more per byte, and `o`. With BOARD
// the unit has `busy`, with CHIP, behind sdram_model.cpp, a memory chip's pins, with CARD, behind card_slot.cpp, a card's.

#ifdef DIVISOR
// One byte on the way to the unit and one on the way back, bit by bit.
struct Wires {
    unsigned sent = 0;  // what is left of the byte, the next bit lowest, above it a 1 that marks its end
    unsigned received = 0;
    int send_wait = 0, receive_wait = 0, receive_left = 0;

    bool takes() const { return !send_wait && sent <= 1; }
    void take(uint8_t octet) { sent = 0x400 | 0x200 | octet << 1; }
    void drive(Vaccelerator &unit) {
        if (send_wait) {
            send_wait--;
        } else if (sent > 1) {
            unit.rx = sent & 1;
            sent >>= 1;
            send_wait = DIVISOR - 1;
        }
    }
    // True with the byte's last bit.
    bool sample(const Vaccelerator &unit) {
        if (!receive_left) {
            if (unit.tx) return false;
            receive_left = 9;
            receive_wait = DIVISOR + DIVISOR / 2 - 1;
        } else if (receive_wait) {
            receive_wait--;
        } else {
            receive_wait = DIVISOR - 1;
            if (--receive_left == 0) return true;
            received = (received | unit.tx << 8) >> 1;
        }
        return false;
    }
};
#endif

struct Line {
    Simulation simulation;
#ifdef DIVISOR
    Wires wires;
#else
    int send_wait = 0;
#endif
#ifdef CHIP
    Sdram sdram;
#endif
#ifdef CARD
    CardSlot slot;
#endif
};

extern "C" {

#ifdef CHIP
void *line_open(uint64_t seed, Timing timing, Geometry geometry) {
    auto *line = new Line{Simulation{seed}, Wires{}, {timing, geometry}};
#else
void *line_open(uint64_t seed) {
    auto *line = new Line{Simulation{seed}};
#endif
#ifdef DIVISOR
    line->simulation.unit->rx = 1;
#endif
    return line;
}

#ifdef CARD
void line_insert(void *handle, CardSettings settings) { static_cast<Line *>(handle)->slot.insert(settings); }
#endif

void line_close(void *handle) { delete static_cast<Line *>(handle); }

// Fields in the order of line.py.
struct LineRun {
    const uint8_t *sent;
    uint64_t count;
    uint64_t send_chance;
    uint8_t *received;
    uint64_t room;
    uint64_t receive_chance;
    uint64_t quiet_cycles;
    uint64_t received_count;
    uint64_t cycles;
    uint64_t broken_offers;
    uint64_t busy;
};

// Runs until all bytes are sent and none has come for `quiet_cycles`, or there is no room for another.
void line_run(void *handle, LineRun *run) {
    auto &line = *static_cast<Line *>(handle);
    Vaccelerator &unit = *line.simulation.unit;
    uint64_t quiet = 0, sent = 0;
    while ((sent < run->count || quiet < run->quiet_cycles) && run->received_count < run->room) {
        bool arrives = false;
        uint8_t octet = 0;
#ifdef DIVISOR
        Wires &wires = line.wires;
        if (sent < run->count && wires.takes()) wires.take(run->sent[sent++]);
        wires.drive(unit);
#ifdef CHIP
        unit.pins___05Fdq_i = line.sdram.captured();
#endif
#ifdef CARD
        line.slot.drive(unit);
#endif
        unit.clk = 0;
        line.simulation.settle();
        arrives = wires.sample(unit);
        octet = wires.received;
#ifdef CHIP
        line.sdram.edge(pins_of(unit));
#endif
#ifdef CARD
        line.slot.edge(unit);
#endif
#else
        if (line.send_wait) line.send_wait--;
        unit.i___05Fvalid = sent < run->count && !line.send_wait && line.simulation.draw(run->send_chance);
        if (unit.i___05Fvalid) line.send_wait = LINE_CYCLES;
        unit.i___05Fpayload = unit.i___05Fvalid ? run->sent[sent] : 0;
        sent += unit.i___05Fvalid;
        unit.o___05Fready = line.simulation.draw(run->receive_chance);
        unit.clk = 0;
        line.simulation.settle();
        bool offered = unit.o___05Fvalid;
        octet = unit.o___05Fpayload;
        arrives = offered && unit.o___05Fready;
#endif
        line.simulation.rise();
#ifndef DIVISOR
        if (offered && !arrives && !(unit.o___05Fvalid && unit.o___05Fpayload == octet)) run->broken_offers++;
#endif
        if (arrives) run->received[run->received_count++] = octet;
        quiet = arrives || sent < run->count ? 0 : quiet + 1;
        run->cycles++;
    }
#ifdef BOARD
    run->busy = unit.busy;
#endif
}

}  // extern "C"
