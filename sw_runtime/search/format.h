/* What the parts of the search share: the format's numbers and the records.
 *
 * Compiled for one block format; kernel.py gives the macros BLOCK_SIZE, LATENT_DIM, LFSR_BITS,
 * TAP_MASK, EXPONENT_BITS, COEFFICIENT_BITS, ENTRY_BITS and ODD.
 *
 * Weights are in units of the scale, so a decoded weight is an integer. The error of a block is
 * |M (U m 2^shift - w)|^2, M the metric. With M U = Q R, Q orthonormal, it is
 *
 *     residual + |Q^T M w - R m 2^shift|^2,      residual = |M w|^2 - |Q^T M w|^2 = |N^T M w|^2,
 *
 * N being the orthonormal complement of Q. The residual bounds the error whatever the coefficients.
 */

#pragma once

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    C = BLOCK_SIZE,
    P = LATENT_DIM,
    SEEDS = (1 << LFSR_BITS) - 1,
    SHIFTS = 1 << EXPONENT_BITS,
    COEFFICIENT_HALF = 1 << (COEFFICIENT_BITS - 1),
    EXPONENT_HALF = SHIFTS >> 1,
    STEP = ODD ? 2 : 1, /* between neighbouring multipliers */
    LEAST = ODD ? 1 - 2 * COEFFICIENT_HALF : -COEFFICIENT_HALF,
    GREATEST = ODD ? 2 * COEFFICIENT_HALF - 1 : COEFFICIENT_HALF - 1,
    /* The scan projects on the smaller of the span of U and its complement. */
    USES_COMPLEMENT = C - P < P,
    BASIS = USES_COMPLEMENT ? C - P : P,
    TRIANGLE = P * (P + 1) / 2,
#if defined(__AVX512F__)
    LANES = 16,
    GROUP = 8, /* blocks scanned together: their sums fill the vector registers */
#elif defined(__AVX__)
    LANES = 8,
    GROUP = 4,
#else
    LANES = 4,
    GROUP = 4,
#endif
    VECTORS = 32, /* of seeds in a tile: one bit each of a 32-bit flag */
    TILE = VECTORS * LANES,
    SLIDE = (P + LANES - 2) / LANES, /* vectors that hold P - 1 numbers */
    QR_LANES = 8,
    WIDTH = P <= 4 ? 4 : P <= 8 ? 8 : 16, /* of a vector that holds P numbers */
};

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef float UnalignedFloats __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Flags __attribute__((vector_size(4 * LANES)));
typedef double Doubles __attribute__((vector_size(8 * QR_LANES)));
typedef double Vector __attribute__((vector_size(8 * WIDTH)));

/* The cycle of states, from state 1 on and some way past its end. */
typedef struct {
    int32_t *entries;
    float *floats; /* the entries */
    uint32_t *states;
} Cycle;

typedef struct {
    Vector q[C];       /* rows */
    Vector r[P];       /* columns of the upper triangle */
    double inverse[P]; /* of r's diagonal */
    double reach;      /* no less than |R m| for any multipliers m */
    double least;      /* no greater than |R m| for any but 0 */
    int64_t position;  /* of the seed on the cycle */
} Seed;

typedef struct {
    Floats basis[VECTORS][BASIS][C];
    Floats inverse[VECTORS][TRIANGLE]; /* of R^T by rows, or zeros for a seed too ill-conditioned for float32 */
    Seed seeds[TILE];
} Tile;

typedef struct {
    const double *target; /* [C] */
    double weighted[C];   /* M w */
    double norm;          /* |M w|^2 */
    double margin;        /* for the float64 rounding of residual and distance */
    double bound;         /* least error so far; before the first find, the error hoped for */
    uint64_t code;        /* seed, shift and coefficient indices, most significant first; 0: none found */
    int64_t index;
} Block;

/* What all blocks of a call have in common. */
typedef struct {
    Cycle cycle;
    const double *metric; /* [C][C] */
    int first[C], end[C]; /* of what is not zero in the metric's rows */
    double metric_norm;   /* no less than the metric's spectral norm */
    int rounded;          /* coefficients by the paper's rule, not the best */
} Search;

/* The relative error seldom exceeded by a code of this many bits a weight. */
static inline double hoped_for(void)
{
    return (EXPONENT_BITS ? 6.5 : 2.5) * pow(4, -(double)(LFSR_BITS + EXPONENT_BITS + P * COEFFICIENT_BITS) / C);
}
