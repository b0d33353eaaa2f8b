// Drives a board over its serial line, with CHIP the memory chip on its pins, with CARD the card in its slot.

#define BOARD
#include "harness.cpp"
#ifdef CHIP
#include "sdram_model.cpp"
#endif
#ifdef CARD
#include "card_slot.cpp"
#endif

#include "line_harness.cpp"
