// The slot of a board under simulation, and the card in it. Behind harness.cpp.

#include <memory>

#include "card_model.cpp"

class CardSlot {
  public:
    void insert(const CardSettings &settings) {
        card_ = std::make_unique<Card>(settings, 1);
        inserted_at_ = cycle_;
    }

    // What an empty slot leaves to its pull-up is 1.
    void drive(Vaccelerator &unit) const { unit.card___05Fcipo = !card_ || card_->cipo; }

    void edge(const Vaccelerator &unit) {
        if (card_) card_->cycle(unit.card___05Fcs, unit.card___05Fclk, unit.card___05Fcopi, cycle_ - inserted_at_);
        cycle_++;
    }

    uint64_t broken() const { return card_ ? card_->broken : 0; }

  private:
    std::unique_ptr<Card> card_;
    uint64_t cycle_ = 0, inserted_at_ = 0;
};
