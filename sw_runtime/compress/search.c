/* The best word of every block: exact search over seeds, exponents and coefficients.
 *
 * Compiled once for each block format; search.py gives the macros BLOCK_SIZE, LATENT_DIM, LFSR_BITS,
 * TAP_MASK, EXPONENT_BITS, COEFFICIENT_BITS, ENTRY_BITS and ODD.
 *
 * Weights are in units of the scale, so a decoded weight is an integer, and every column's error is
 * multiplied by the metric: the error of a block is |D (U m 2^shift - w)|^2, D = diag(metric).
 * With D U = Q R, Q orthonormal, it is
 *
 *     residual + |Q^T D w - R m 2^shift|^2,      residual = |D w|^2 - |Q^T D w|^2 = |N^T D w|^2,
 *
 * N being the orthonormal complement of Q. The residual bounds the error whatever the coefficients.
 * Seeds are taken in tiles. For each tile a float32 scan, with a margin for its rounding, finds the
 * seeds whose residual is no greater than the least error so far; for those the lattice is searched
 * in float64 (Schnorr-Euchner). Every lattice point that comes close is judged by its error formed
 * from the exact integers, and the least (error, seed, shift, coefficients) in lexicographic order
 * wins, so neither the order of the search nor the processor can change the result.
 */

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
    QR_LANES = 8,
};

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Flags __attribute__((vector_size(4 * LANES)));
typedef double Doubles __attribute__((vector_size(8 * QR_LANES)));

typedef struct {
    double q[C][P];
    double r[P][P];    /* upper triangle */
    double inverse[P]; /* of r's diagonal */
} Decomposition;

typedef struct {
    Floats basis[VECTORS][BASIS][C];
    Decomposition seeds[TILE];
} Tile;

typedef struct {
    const double *target; /* [C] */
    double weighted[C];   /* target times metric */
    double norm;          /* |weighted|^2 */
    double bound;         /* least error so far; before the first find, the error hoped for */
    uint64_t code;        /* seed, shift and coefficient indices, most significant first; 0: none found */
    int64_t index;
} Block;

typedef struct {
    float weighted[C][GROUP];
    float limit[GROUP];
} Group;

/* One seed and shift tried for one block. */
typedef struct {
    Block *block;
    const Decomposition *seed;
    const int32_t *entries; /* [C][P] */
    const double *metric;   /* [C] */
    uint32_t state;
    int shift;
    double unit; /* 2^-shift */
    double z[P]; /* Q^T D w times unit */
    double point[P];
    double residual;
    double radius; /* largest |z - R m|^2 of interest */
} Visit;

/* The entries of successive states, x[i] that of i steps after state 1; the states themselves too. */
static void walk_cycle(int64_t count, int32_t *entries, uint32_t *states)
{
    uint32_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        int32_t v = (int32_t)(state & (((uint32_t)1 << ENTRY_BITS) - 1));
        states[i] = state;
        entries[i] = ODD ? 2 * v - (1 << ENTRY_BITS) + 1 : v - (1 << (ENTRY_BITS - 1));
        state = state >> 1 | (uint32_t)__builtin_parity(state & TAP_MASK) << (LFSR_BITS - 1);
    }
}

/* Householder QR of D U for QR_LANES successive seeds, each one lane. */
static void decompose(const int32_t *entries, const double *metric, Tile *tile, int first)
{
    Doubles a[C][P], diagonal[P], beta[P];
    for (int c = 0; c < C; c++)
        for (int p = 0; p < P; p++)
            for (int lane = 0; lane < QR_LANES; lane++)
                a[c][p][lane] = entries[c * P + p + lane] * metric[c];
    for (int p = 0; p < P; p++) { /* a's lower part becomes the reflectors v, its upper part R */
        Doubles norm = {0};
        for (int c = p; c < C; c++)
            norm += a[c][p] * a[c][p];
        for (int lane = 0; lane < QR_LANES; lane++) {
            diagonal[p][lane] = -copysign(sqrt(norm[lane]), a[p][p][lane]);
            double half = norm[lane] - diagonal[p][lane] * a[p][p][lane];
            beta[p][lane] = half > 0 ? 1 / half : 0; /* a column of zeros needs no reflection */
        }
        a[p][p] -= diagonal[p];
        for (int j = p + 1; j < P; j++) {
            Doubles dot = {0};
            for (int c = p; c < C; c++)
                dot += a[c][p] * a[c][j];
            dot *= beta[p];
            for (int c = p; c < C; c++)
                a[c][j] -= dot * a[c][p];
        }
    }
    for (int p = 0; p < P; p++)
        for (int lane = 0; lane < QR_LANES; lane++) {
            Decomposition *seed = &tile->seeds[first + lane];
            seed->r[p][p] = diagonal[p][lane];
            seed->inverse[p] = diagonal[p][lane] != 0 ? 1 / diagonal[p][lane] : 0;
            for (int j = p + 1; j < P; j++)
                seed->r[p][j] = a[p][j][lane];
        }
#pragma GCC unroll 64
    for (int k = 0; k < C; k++) { /* column k of the full orthogonal matrix [Q N] */
        Doubles column[C];
        for (int c = 0; c < C; c++)
            column[c] = (Doubles){0} + (c == k);
#pragma GCC unroll 64
        for (int p = k < P ? k : P - 1; p >= 0; p--) {
            Doubles dot = {0};
            for (int c = p; c < C; c++)
                dot += a[c][p] * column[c];
            dot *= beta[p];
            for (int c = p; c < C; c++)
                column[c] -= dot * a[c][p];
        }
        int j = USES_COMPLEMENT ? k - P : k;
        for (int c = 0; c < C; c++)
            for (int lane = 0; lane < QR_LANES; lane++) {
                int i = first + lane;
                if (k < P)
                    tile->seeds[i].q[c][k] = column[c][lane];
                if (j >= 0 && j < BASIS)
                    tile->basis[i / LANES][j][c][i % LANES] = (float)column[c][lane];
            }
    }
}

static double margin(const Block *block)
{
    return 1e-12 * block->norm; /* float64 rounding of residual and distance, with room */
}

/* What the scan's float32 sum of squares must not exceed (complement) or fall short of (span).
 *
 * For unit basis vectors each projection errs by at most (C + 3) 2^-24 |weighted|; the square and the
 * sum add less than 2e-6 of themselves. */
static float scan_limit(const Block *block)
{
    double rounding = sqrt(BASIS) * (C + 3) * ldexp(1, -24) * sqrt(block->norm);
    double greatest = block->bound + margin(block);
    if (USES_COMPLEMENT)
        return (float)(pow(sqrt(greatest) + rounding, 2) * (1 + 2e-6));
    return (float)(pow(fmax(sqrt(fmax(block->norm - greatest, 0)) - rounding, 0), 2) * (1 - 2e-6));
}

/* Bit v of found[g][lane]: seed v * LANES + lane of the tile may beat block g's bound. */
static void scan(const Tile *tile, const Group *group, Flags found[GROUP])
{
    Flags flags[GROUP] = {{0}};
    for (int v = 0; v < VECTORS; v++) {
        Floats sum[GROUP] = {{0}};
        for (int j = 0; j < BASIS; j++) {
            Floats projection[GROUP] = {{0}};
#pragma GCC unroll 64
            for (int c = 0; c < C; c++) {
                Floats basis = tile->basis[v][j][c];
#pragma GCC unroll 8
                for (int g = 0; g < GROUP; g++)
                    projection[g] += basis * group->weighted[c][g];
            }
#pragma GCC unroll 8
            for (int g = 0; g < GROUP; g++)
                sum[g] += projection[g] * projection[g];
        }
#pragma GCC unroll 8
        for (int g = 0; g < GROUP; g++) {
            Flags keep = USES_COMPLEMENT ? sum[g] <= group->limit[g] : sum[g] >= group->limit[g];
            flags[g] |= keep & (int32_t)((uint32_t)1 << v);
        }
    }
    memcpy(found, flags, sizeof flags);
}

static void set_radius(Visit *visit)
{
    const Block *block = visit->block;
    visit->radius = (block->bound + margin(block) - visit->residual) * visit->unit * visit->unit;
}

/* A lattice point reached: judge it by its exact integers. */
static void judge(Visit *visit)
{
    Block *block = visit->block;
    uint64_t code = (uint64_t)visit->state << EXPONENT_BITS | (uint64_t)visit->shift;
    int32_t multipliers[P];
    for (int p = 0; p < P; p++) {
        multipliers[p] = (int32_t)visit->point[p];
        code = code << COEFFICIENT_BITS | (uint64_t)((multipliers[p] - LEAST) / STEP);
    }
    double error = 0;
    for (int c = 0; c < C; c++) {
        int64_t sum = 0;
        for (int p = 0; p < P; p++)
            sum += (int64_t)visit->entries[c * P + p] * multipliers[p];
        double difference = ((double)(sum * (1 << visit->shift)) - block->target[c]) * visit->metric[c];
        volatile double square = difference * difference; /* volatile: never fused with the addition */
        error += square;
    }
    if (error < block->bound || (error == block->bound && (!block->code || code < block->code))) {
        block->bound = error;
        block->code = code;
        set_radius(visit);
    }
}

/* Choose the multipliers p, p - 1, … 0, nearest first, while |z - R m|^2 stays inside the radius. */
static void descend(Visit *visit, int p, double partial)
{
    const double *r = visit->seed->r[p];
    double rest = visit->z[p];
    for (int j = p + 1; j < P; j++)
        rest -= r[j] * visit->point[j];
    double centre = rest * visit->seed->inverse[p];
    double value = ODD ? 2 * floor(centre / 2) + 1 : rint(centre);
    value = fmin(fmax(value, LEAST), GREATEST);
    double below = value - STEP, above = value + STEP;
    for (;;) {
        double distance = rest - r[p] * value;
        double error = partial + distance * distance;
        if (error > visit->radius)
            return;
        visit->point[p] = value;
        if (p)
            descend(visit, p - 1, error);
        else
            judge(visit);
        if (above <= GREATEST && (below < LEAST || above - centre <= centre - below)) {
            value = above;
            above += STEP;
        } else if (below >= LEAST) {
            value = below;
            below -= STEP;
        } else {
            return;
        }
    }
}

static void visit_seed(Block *block, const Decomposition *seed, const int32_t *entries, uint32_t state,
                       const double *metric)
{
    Visit visit = {.block = block, .seed = seed, .entries = entries, .metric = metric, .state = state};
    double z[P] = {0}, captured = 0;
    for (int c = 0; c < C; c++)
        for (int p = 0; p < P; p++)
            z[p] += seed->q[c][p] * block->weighted[c];
    for (int p = 0; p < P; p++)
        captured += z[p] * z[p];
    visit.residual = block->norm - captured;
    if (visit.residual > block->bound + margin(block))
        return;
    for (visit.shift = 0; visit.shift < SHIFTS; visit.shift++) {
        visit.unit = 1.0 / (1 << visit.shift);
        for (int p = 0; p < P; p++)
            visit.z[p] = z[p] * visit.unit;
        set_radius(&visit);
        descend(&visit, P - 1, 0);
    }
}

/* Scan one tile of seeds for the blocks of one group and search the seeds that remain. */
static void search_group(const Tile *tile, Group *group, Block *blocks, int count, const int32_t *entries,
                         const uint32_t *states, const double *metric)
{
    Flags found[GROUP];
    scan(tile, group, found);
    for (int g = 0; g < count; g++) {
        double before = blocks[g].bound;
        for (int lane = 0; lane < LANES; lane++)
            for (uint32_t flags = (uint32_t)found[g][lane]; flags; flags &= flags - 1) {
                int i = __builtin_ctz(flags) * LANES + lane;
                visit_seed(&blocks[g], &tile->seeds[i], entries + i + 1, states[i], metric);
            }
        if (blocks[g].bound < before)
            group->limit[g] = scan_limit(&blocks[g]);
    }
}

static void load_group(Group *group, const Block *blocks, int count)
{
    memset(group, 0, sizeof *group);
    for (int g = 0; g < GROUP; g++) {
        group->limit[g] = g < count ? scan_limit(&blocks[g]) : USES_COMPLEMENT ? -1 : INFINITY;
        for (int c = 0; g < count && c < C; c++)
            group->weighted[c][g] = (float)blocks[g].weighted[c];
    }
}

static void search_all_seeds(Block *blocks, int64_t count, Group *groups, Tile *tile, const int32_t *entries,
                             const uint32_t *states, const double *metric)
{
    for (int64_t i = 0; i < count; i += GROUP)
        load_group(&groups[i / GROUP], blocks + i, count - i < GROUP ? (int)(count - i) : GROUP);
    for (int start = 0; start < SEEDS; start += TILE) { /* the last tile wraps around the cycle */
        for (int i = 0; i < TILE; i += QR_LANES)
            decompose(entries + start + i + 1, metric, tile, i);
        for (int64_t i = 0; i < count; i += GROUP)
            search_group(tile, &groups[i / GROUP], blocks + i, count - i < GROUP ? (int)(count - i) : GROUP,
                         entries + start, states + start, metric);
    }
}

/* Fields in the file's order, lowest first, in two's complement. */
static int64_t word_of(uint64_t code)
{
    uint64_t word = 0;
    for (int p = P - 1; p >= 0; p--) {
        uint64_t index = code & (2 * COEFFICIENT_HALF - 1);
        word |= (index ^ COEFFICIENT_HALF) << (LFSR_BITS + EXPONENT_BITS + p * COEFFICIENT_BITS);
        code >>= COEFFICIENT_BITS;
    }
    word |= ((code & (SHIFTS - 1)) ^ EXPONENT_HALF) << LFSR_BITS;
    return (int64_t)(word | code >> EXPONENT_BITS);
}

/* Encode count blocks that share a metric: targets [count][C] and metric [C] to words [count].
 *
 * All values must be finite. Returns 0, or 1 if there is no memory. */
int encode_blocks(int64_t count, const double *targets, const double *metric, int64_t *words)
{
    int64_t length = SEEDS + TILE + C * P + QR_LANES;
    int32_t *entries = malloc(length * sizeof *entries);
    uint32_t *states = malloc(length * sizeof *states);
    Tile *tile = aligned_alloc(64, (sizeof *tile + 63) / 64 * 64);
    Block *blocks = malloc(count * sizeof *blocks);
    Group *groups = malloc((count / GROUP + 1) * sizeof *groups);
    int failed = !(entries && states && tile && blocks && groups);
    double unit = 0; /* error of one integer step in every column: keeps the bound of zero blocks above 0 */
    for (int c = 0; c < C; c++)
        unit += metric[c] * metric[c];
    if (!failed)
        walk_cycle(length, entries, states);
    for (int64_t i = 0; !failed && i < count; i++) {
        blocks[i] = (Block){.target = targets + i * C, .index = i};
        for (int c = 0; c < C; c++) {
            blocks[i].weighted[c] = blocks[i].target[c] * metric[c];
            blocks[i].norm += blocks[i].weighted[c] * blocks[i].weighted[c];
        }
        /* A code of n bits a weight seldom errs by more than 6 / 4^n; if it does, search again. */
        double bits = (double)(LFSR_BITS + EXPONENT_BITS + P * COEFFICIENT_BITS) / C;
        blocks[i].bound = 6 * pow(4, -bits) * (blocks[i].norm + unit);
    }
    while (!failed && count) {
        search_all_seeds(blocks, count, groups, tile, entries, states, metric);
        int64_t missing = 0;
        for (int64_t i = 0; i < count; i++) {
            if (blocks[i].code) {
                words[blocks[i].index] = word_of(blocks[i].code);
            } else {
                blocks[missing] = blocks[i];
                blocks[missing++].bound *= 8;
            }
        }
        count = missing;
    }
    free(entries);
    free(states);
    free(tile);
    free(blocks);
    free(groups);
    return failed;
}
