// An SDRAM chip behind registers at the unit's pins: stores beats, answers reads, and counts every command that breaks
// a rule.

#include <algorithm>
#include <cstdlib>

constexpr const char *RULES =
    "start init open column mask drive turn t_rcd t_rp t_ras t_rc t_rrd t_rfc t_wr t_mrd refresh";
enum Rule { START, INIT, OPEN, COLUMN, MASK, DRIVE, TURN, RCD, RP, RAS, RC, RRD, RFC, WR, MRD, GAP, RULE_COUNT };

// Fields in the order of hw/memory/chips.py.
struct Timing {
    int64_t start, t_rcd, t_rp, t_ras, t_rc, t_rrd, t_rfc, t_wr, t_mrd, cas_latency, refresh;
};

struct Geometry {
    int64_t row_bits, column_bits;
};

struct Pins {
    bool cke, cs, ras, cas, we, dq_oe;
    uint32_t ba, a, dqm, dq;
};

// What a unit under simulation with the chip's pins drives.
template <typename Unit> Pins pins_of(const Unit &unit) {
    return {bool(unit.pins___05Fcke), bool(unit.pins___05Fcs), bool(unit.pins___05Fras), bool(unit.pins___05Fcas),
            bool(unit.pins___05Fwe), bool(unit.pins___05Fdq_oe), unit.pins___05Fba, unit.pins___05Fa,
            unit.pins___05Fdqm, unit.pins___05Fdq_o};
}

class Sdram {
  public:
    int64_t broken[RULE_COUNT] = {}, commands[8] = {};
    int64_t longest_gap = 0;

    Sdram(Timing timing, Geometry geometry)
        : rules{timing},
          geometry{geometry},
          changed{static_cast<uint16_t *>(std::calloc(size_t{4} << (geometry.row_bits + geometry.column_bits), 2))} {
        std::fill_n(due, WINDOW, NEVER);
    }
    ~Sdram() { std::free(changed); }
    Sdram(const Sdram &) = delete;

    // What the registers behind the data pins took at the last edge.
    uint16_t captured() const { return taken; }

    // All registers at the pins take what is before them; the chip looks at what they drove until now.
    void edge(const Pins &driven) {
        taken = on_data_pins();
        look(shown);
        shown = driven;
    }

  private:
    enum { ACTIVATE = 1, READ = 2, REFRESH = 3, STOP = 4, PRECHARGE = 5, WRITE = 6, MODE = 7 };
    static constexpr int64_t NEVER = -1'000'000'000, WINDOW = 8;
    static constexpr int BANKS = 4, START_REFRESHES = 8;

    struct Bank {
        bool open = false;
        uint32_t row = 0;
        int64_t activated = NEVER, precharged = NEVER, written = NEVER;
    };

    Timing rules;
    Geometry geometry;
    uint16_t *changed;  // differences from what a beat holds at power-up
    Bank banks[BANKS];
    int64_t now = 0, refreshed = NEVER, mode_set = NEVER, read = NEVER, activated = NEVER, refreshes = 0;
    int64_t due[WINDOW];
    uint16_t beats[WINDOW];
    uint64_t noise = 1;
    Pins shown{true};  // nothing is asked for before the first edge
    uint16_t taken = 0;

    // A beat that is due, or noise.
    uint16_t on_data_pins() {
        noise = noise * 6364136223846793005 + 1442695040888963407;
        return due[now % WINDOW] == now ? beats[now % WINDOW] : noise >> 48;
    }

    void look(const Pins &pins) {
        const int command = pins.cs ? pins.ras | pins.cas << 1 | pins.we << 2 : 0;
        commands[command]++;
        require(INIT, pins.cke);
        require(DRIVE, pins.dq_oe == (command == WRITE));
        if (command) {
            require(START, now >= rules.start);
            require(RFC, now - refreshed >= rules.t_rfc);
            require(MRD, now - mode_set >= rules.t_mrd);
        }
        if (command == ACTIVATE) activate(pins.ba, pins.a);
        if (command == READ || command == WRITE) move(pins, command == WRITE);
        if (command == PRECHARGE)
            for (uint32_t bank = 0; bank < BANKS; bank++)
                if (pins.a >> 10 & 1 || bank == pins.ba) precharge(bank);
        if (command == REFRESH) refresh();
        if (command == MODE) set_mode(pins.a);
        if (command == STOP) require(INIT, false);
        if (ready()) require(GAP, now - refreshed != rules.refresh + 1);  // once a gap
        now++;
    }

    void require(Rule rule, bool kept) { broken[rule] += !kept; }

    bool ready() const { return mode_set != NEVER; }

    void activate(uint32_t number, uint32_t row) {
        Bank &bank = banks[number];
        require(INIT, ready());
        require(OPEN, !bank.open);
        require(RP, now - bank.precharged >= rules.t_rp);
        require(RC, now - bank.activated >= rules.t_rc);
        require(RRD, now - activated >= rules.t_rrd);
        bank.open = true;
        bank.row = row;
        bank.activated = activated = now;
    }

    void move(const Pins &pins, bool write) {
        Bank &bank = banks[pins.ba];
        require(OPEN, bank.open);
        require(RCD, now - bank.activated >= rules.t_rcd);
        require(COLUMN, pins.a >> geometry.column_bits == 0);
        require(MASK, pins.dqm == 0);
        const size_t page = size_t{bank.row} << 2 | pins.ba;
        const size_t address = page << geometry.column_bits | (pins.a & ((1u << geometry.column_bits) - 1));
        const uint16_t at_power_up = address * 0x9E3779B1 >> 16;
        if (write) {
            require(TURN, now - read >= rules.cas_latency + 2);
            changed[address] = pins.dq ^ at_power_up;
            bank.written = now;
        } else {
            read = now;
            due[(now + rules.cas_latency) % WINDOW] = now + rules.cas_latency;
            beats[(now + rules.cas_latency) % WINDOW] = changed[address] ^ at_power_up;
        }
    }

    void precharge(uint32_t number) {
        Bank &bank = banks[number];
        require(RAS, now - bank.activated >= rules.t_ras);
        require(WR, now - bank.written >= rules.t_wr);
        bank.open = false;
        bank.precharged = now;
    }

    void all_closed() {
        for (const Bank &bank : banks) {
            require(OPEN, !bank.open);
            require(RP, now - bank.precharged >= rules.t_rp);
            require(INIT, bank.precharged != NEVER);
        }
    }

    void refresh() {
        all_closed();
        if (ready()) longest_gap = std::max(longest_gap, now - refreshed);
        refreshed = now;
        refreshes++;
    }

    void set_mode(uint32_t mode) {
        all_closed();
        require(INIT, refreshes >= START_REFRESHES && mode == rules.cas_latency << 4);
        mode_set = now;
    }
};
