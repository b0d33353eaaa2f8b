// Drives a board over its serial line, the chip on its pins.

#define CHIP
#include "harness.cpp"
#include "sdram_model.cpp"

#include "line_harness.cpp"
