// A memory card in SPI mode, seen from its pins.
//
// The card is strict: it counts every rule of the standard that its host breaks. It is written from the standard alone.

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <vector>

// Fields in the order of card.py.
struct CardSettings {
    const uint8_t *octets;        // of the card, whole blocks
    uint64_t count;
    uint64_t absent;              // nothing is in the slot
    uint64_t deaf_resets;         // CMD0 that bring nothing
    uint64_t busy_starts;         // ACMD41 that are answered with "still starting"
    uint64_t wrong_command;       // its answer has an error bit; 64 for none
    uint64_t wrong_echo;          // CMD8 answers with another pattern
    uint64_t no_supply;           // CMD58 says that the card is still at work
    uint64_t wrong_block;         // which block the fault below is in
    uint64_t fault;               // 0 none, 1 a bit of its data, 2 a bit of its CRC, 3 an error token, 4 it never comes
    uint64_t endless_end;         // CMD12 is never done
    uint64_t slow_half, fast_half;  // least cycles of half a period
    uint64_t power_cycles;        // before the first clock
};

class Card {
  public:
    enum Rule { FEW_CLOCKS, EARLY, TOO_FAST, BAD_CRC, BAD_ORDER, NOT_ONES, CUT_OFF };

    Card(const CardSettings &settings, uint64_t seed)
        : settings_{settings}, octets_(settings.octets, settings.octets + settings.count), random_{seed | 1},
          starts_{settings.busy_starts}, resets_{settings.deaf_resets} {}

    bool cipo = true;
    uint64_t broken = 0;  // rules, a bit each

    // The pins in one cycle.
    void cycle(bool select, bool clock, bool copi, uint64_t now) {
        if (settings_.absent) return;
        if (clock != clock_) {
            if (now < settings_.power_cycles) break_rule(EARLY);
            if (edges_++ && now - edge_at_ < (ready_ ? settings_.fast_half : settings_.slow_half)) break_rule(TOO_FAST);
            edge_at_ = now;
            clock_ = clock;
            if (!select) {
                idle_clocks_ += clock;
                cipo = true;
            } else if (clock) {
                rise(copi);
            } else {
                fall();
            }
        }
        if (!select && selected_ && reading_) break_rule(CUT_OFF);
        if (select != selected_) bits_ = shown_ = 0, in_ = out_ = 0xFF;
        selected_ = select;
    }

  private:
    void break_rule(Rule rule) { broken |= 1 << rule; }

    uint64_t draw(uint64_t below) {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return (random_ >> 33) % below;
    }

    void rise(bool copi) {
        in_ = in_ << 1 | copi;
        if (++bits_ == 8) {
            bits_ = 0;
            take(in_);
            out_ = next();
            shown_ = 0;
        }
    }

    // After a byte's last bit the next one's first bit is shown.
    void fall() { cipo = out_ >> (7 - shown_++ % 8) & 1; }

    uint8_t next() {
        if (queue_.empty() && reading_) give_block();
        if (queue_.empty()) return 0xFF;
        uint8_t octet = queue_.front();
        queue_.pop_front();
        return octet;
    }

    void take(uint8_t octet) {
        if (command_.empty()) {
            if (octet >> 6 == 1) command_.push_back(octet);
            else if (octet != 0xFF) break_rule(NOT_ONES);
            return;
        }
        command_.push_back(octet);
        if (command_.size() < 6) return;
        unsigned remainder = 0;
        for (int bit = 0; bit < 40; bit++) {
            bool top = remainder >> 6 & 1;
            remainder = (remainder << 1 & 0x7F) ^ ((top ^ (command_[bit / 8] >> (7 - bit % 8) & 1)) ? 0x09 : 0);
        }
        if (command_[5] != (remainder << 1 | 1)) break_rule(BAD_CRC);
        uint32_t argument = command_[1] << 24 | command_[2] << 16 | command_[3] << 8 | command_[4];
        execute(command_[0] & 0x3F, argument);
        command_.clear();
    }

    void answer(std::initializer_list<uint8_t> octets) {
        for (uint64_t wait = draw(9); wait; wait--) queue_.push_back(0xFF);
        queue_.insert(queue_.end(), octets);
    }

    void execute(int command, uint32_t argument) {
        if (reading_ && command != 12) break_rule(BAD_ORDER);
        if (command == 0) {
            if (idle_clocks_ < 74) break_rule(FEW_CLOCKS);
            ready_ = reading_ = checked_ = false;
            queue_.clear();
            if (resets_) {
                resets_--;
                return;
            }
            reset_ = true;
        } else if (!reset_) {
            return;
        }
        bool application = application_;
        application_ = command == 55;
        uint8_t first = ready_ ? 0x00 : 0x01;
        if (uint64_t(command) == settings_.wrong_command) {
            answer({uint8_t(first | 0x04)});
            return;
        }
        switch (command) {
            case 0:
            case 55:
                answer({first});
                break;
            case 8:
                checked_ = argument == 0x1AA;
                answer({first, 0, 0, 1, uint8_t(settings_.wrong_echo ? 0x55 : 0xAA)});
                break;
            case 41:
                if (!application || !checked_ || argument != 0x40000000) break_rule(BAD_ORDER);
                if (starts_) starts_--; else ready_ = true;
                answer({uint8_t(ready_ ? 0x00 : 0x01)});
                break;
            case 58:
                if (!ready_) break_rule(BAD_ORDER);
                answer({first, uint8_t(settings_.no_supply ? 0x40 : 0xC0), 0xFF, 0x80, 0x00});
                break;
            case 16:
                if (!ready_ || argument != 512) break_rule(BAD_ORDER);
                block_size_ = true;
                answer({first});
                break;
            case 18:
                if (!ready_ || !block_size_ || argument) break_rule(BAD_ORDER);
                answer({first});
                reading_ = true;
                block_ = 0;
                break;
            case 12: {
                if (!reading_) break_rule(BAD_ORDER);
                reading_ = false;
                queue_.clear();
                queue_.push_back(0x2C);  // a piece of a block, which looks like an answer
                answer({first});
                for (uint64_t busy = 1 + draw(20); busy; busy--) queue_.push_back(0x00);
                if (settings_.endless_end) queue_.insert(queue_.end(), 1 << 16, 0x00);
                break;
            }
            default:
                break_rule(BAD_ORDER);
                answer({uint8_t(first | 0x04)});
        }
    }

    void give_block() {
        for (uint64_t wait = draw(4) ? draw(4) : draw(200); wait; wait--) queue_.push_back(0xFF);
        uint64_t fault = block_ == settings_.wrong_block ? settings_.fault : 0;
        if (fault == 4) {
            queue_.push_back(0xFF);
            return;
        }
        if (fault == 3) {
            queue_.insert(queue_.end(), {0x08, 0xFF});
            settings_.fault = 4;
            return;
        }
        std::vector<uint8_t> data(512, 0xA5);
        auto place = octets_.begin() + 512 * block_;
        if (512 * (block_ + 1) <= octets_.size()) data.assign(place, place + 512);
        uint16_t remainder = 0;
        for (int bit = 0; bit < 4096; bit++) {
            bool top = remainder >> 15 & 1;
            remainder = remainder << 1 ^ ((top ^ (data[bit / 8] >> (7 - bit % 8) & 1)) ? 0x1021 : 0);
        }
        if (fault == 1) data[draw(512)] ^= 1 << draw(8);
        if (fault == 2) remainder ^= 1 << draw(16);
        queue_.push_back(0xFE);
        queue_.insert(queue_.end(), data.begin(), data.end());
        queue_.insert(queue_.end(), {uint8_t(remainder >> 8), uint8_t(remainder)});
        block_++;
    }

    CardSettings settings_;
    const std::vector<uint8_t> octets_;
    uint64_t random_, starts_, resets_;
    bool clock_ = false, selected_ = false, reset_ = false, ready_ = false, reading_ = false, checked_ = false;
    bool application_ = false, block_size_ = false;
    uint64_t edges_ = 0, edge_at_ = 0, idle_clocks_ = 0, block_ = 0;
    int bits_ = 0, shown_ = 0;
    uint8_t in_ = 0xFF, out_ = 0xFF;
    std::vector<uint8_t> command_;
    std::deque<uint8_t> queue_;
};
