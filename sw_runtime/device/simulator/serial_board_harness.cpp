// Drives a board over its serial line, with CHIP the memory chip on its pins.

#define BOARD
#include "harness.cpp"
#ifdef CHIP
#include "sdram_model.cpp"
#endif

#include "line_harness.cpp"
