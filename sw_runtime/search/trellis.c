/* The best path of every row through a trellis, with error feedback in every survivor or without.
 *
 * Compiled for one rate; trellis.py gives the macros WINDOW_BITS, FRESH_EVEN and FRESH_ODD (the fresh
 * bits of even and odd columns) and forbids fused multiply-adds, so that all processors agree.
 *
 * Weights are in units of the scale, so a decoded weight is an integer. The loss of a row is
 *
 *     sum_t importance_t miss_t^2,    miss_t = target_t + sum_{s<t} miss_s response_st - weight_t:
 *
 * what a column misses moves the targets of the columns after it. The register before column t has
 * L - k_t bits; a window is a register followed by k_t fresh bits. Of all paths to one register only
 * the best survives. Columns go in groups of 16.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    L = WINDOW_BITS,
    FEWEST = FRESH_EVEN < FRESH_ODD ? FRESH_EVEN : FRESH_ODD,
    MOST_STATES = 1 << (L - FEWEST),
    STATES = 1 << (L - FRESH_EVEN), /* before an even column, and so between groups */
    GROUP = 16,
    WORD_BITS = 4 * (FRESH_EVEN + FRESH_ODD),
#if defined(__AVX512F__)
    LANES = 16,
#elif defined(__AVX2__)
    LANES = 8,
#else
    LANES = 4,
#endif
};

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef float UnalignedFloats __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Choices __attribute__((vector_size(4 * LANES)));

typedef struct {
    int64_t groups;
    const float *importance; /* [groups * GROUP] */
    const float *response;   /* [groups * GROUP][groups * GROUP], zeros up to the diagonal; NULL: no feedback */
    const float *table;      /* [1 << L] */
} Search;

/* The two words of a group from its bits, the newest lowest: in a word the oldest is lowest. */
static void store_words(uint64_t path, int64_t *words)
{
    uint64_t stream = 0;
    for (int i = 0; i < 2 * WORD_BITS; i++)
        stream |= (path >> (2 * WORD_BITS - 1 - i) & 1) << i;
    words[0] = (int64_t)(stream & ((UINT64_C(1) << WORD_BITS) - 1));
    words[1] = (int64_t)(stream >> WORD_BITS);
}

/* Follow the choices of a group's columns back from a state: its words, and the state that it began in. */
static int trace_back(const uint8_t (*choices)[MOST_STATES], int state, int64_t *words)
{
    uint64_t path = 0;
    for (int j = GROUP - 1, done = 0; j >= 0; j--) {
        int fresh = j % 2 ? FRESH_ODD : FRESH_EVEN, next_fresh = j % 2 ? FRESH_EVEN : FRESH_ODD;
        int window = choices[j][state] << (L - next_fresh) | state;
        path |= (uint64_t)(window & ((1 << fresh) - 1)) << done;
        done += fresh;
        state = window >> fresh;
    }
    store_words(path, words);
    return state;
}

static int cheapest(const float *cost)
{
    int best = 0;
    for (int s = 1; s < STATES; s++)
        if (cost[s] < cost[best])
            best = s;
    return best;
}

/* The values of the states that LANES windows start from, given those of the first state on. */
static inline __attribute__((always_inline)) Floats expand(const float *values, int fresh)
{
    if (1 << fresh >= LANES)
        return values[0] - (Floats){0};
    Floats states = *(const UnalignedFloats *)values;
#if defined(__clang__)
    Floats expanded;
    for (int i = 0; i < LANES; i++)
        expanded[i] = states[i >> fresh];
    return expanded;
#else
    Choices lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = i >> fresh;
    return __builtin_shuffle(states, lane);
#endif
}

/* For every next register state the cheapest of the windows that lead to it: its cost, its oldest bits, and what
 * it misses unless NULL. Costs are scaled in place; expanding reads a vector past their end. */
static inline __attribute__((always_inline)) void choose(float *cost, const float *target, const float *table,
                                                         float importance, int fresh, int next_fresh,
                                                         float *next_cost, Choices *choices, float *misses)
{
    const int states = 1 << (L - fresh), next_states = 1 << (L - next_fresh);
    float inverse = 1 / importance;
    for (int s = 0; s < states; s++)
        cost[s] *= inverse;
    for (int first = 0; first < next_states; first += LANES) {
        Choices least = (Choices)(INFINITY - (Floats){0}), missed = {0}, choice = {0};
        for (int oldest = 0; oldest < 1 << next_fresh; oldest++) {
            int window = oldest * next_states + first;
            Floats miss = expand(target + (window >> fresh), fresh) - *(const UnalignedFloats *)(table + window);
            /* The bits of numbers from 0 up are in the order of the numbers. */
            Choices found = (Choices)(expand(cost + (window >> fresh), fresh) + miss * miss), better = found < least;
            least = (better & found) | (~better & least);
            missed = (better & (Choices)miss) | (~better & missed);
            choice = (better & oldest) | (~better & choice);
        }
        *(UnalignedFloats *)(next_cost + first) = (Floats)least * importance;
        choices[first / LANES] = choice;
        if (misses)
            *(UnalignedFloats *)(misses + first) = (Floats)missed;
    }
}

#include "trellis_feedback.inc"
#include "trellis_plain.inc"

/* Words, int64 [rows][2 * groups], and losses of rows of targets, [rows][groups * 16], which are used up.
 * Returns 1 if there is no memory. */
int encode_rows(int64_t rows, int64_t groups, float *targets, const float *importance, const float *response,
                const float *table, int64_t *words, double *losses)
{
    Search search = {groups, importance, response, table};
    Work *work = response ? aligned_alloc(64, sizeof *work) : NULL;
    Plain *plain = response ? NULL : aligned_alloc(64, sizeof *plain);
    uint8_t (*kept)[MOST_STATES] = response ? NULL : malloc((size_t)(groups * GROUP) * sizeof *kept);
    int failed = response ? !work : !plain || !kept;
    if (work)
        memset(work, 0, sizeof *work); /* lanes without a state are read, and then left */
    if (plain)
        memset(plain, 0, sizeof *plain);
    for (int64_t row = 0; row < rows && !failed; row++) {
        float *row_targets = targets + row * groups * GROUP;
        int64_t *row_words = words + row * 2 * groups;
        losses[row] = response ? encode_row(&search, work, row_targets, row_words)
                               : encode_row_plainly(&search, plain, row_targets, kept, row_words);
    }
    free(kept);
    free(plain);
    free(work);
    return failed;
}
