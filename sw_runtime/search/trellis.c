/* The best path of every row through a trellis, with error feedback in every survivor; and back to weights.
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
 * the best survives, and each survivor carries the targets that its own misses have made.
 *
 * Columns go in groups of 16. After each group the best survivor's oldest group is committed: its bits
 * are stored, its misses go into the row's targets, and survivors that differ there are dropped. Only
 * the misses of the HELD groups between are kept for every survivor.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    L = WINDOW_BITS,
    WINDOWS = 1 << L,
    FEWEST = FRESH_EVEN < FRESH_ODD ? FRESH_EVEN : FRESH_ODD,
    MOST_STATES = 1 << (L - FEWEST),
    STATES = 1 << (L - FRESH_EVEN), /* before an even column, and so between groups */
    GROUP = 16,
    HELD = 7, /* survivors differ that far back: 3 lose 1 to 3 % more, 11 gain half a percent */
    WORD_BITS = 4 * (FRESH_EVEN + FRESH_ODD),
    BLOCK = 8, /* survivors whose targets are formed together: as many as registers hold */
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
typedef float Columns __attribute__((vector_size(4 * GROUP))); /* a number for each column of a group */
typedef float UnalignedColumns __attribute__((vector_size(4 * GROUP), aligned(4)));

/* The best path to each register state. Expanding reads a vector past the end. */
typedef struct {
    Columns columns[MOST_STATES]; /* of the present group: misses of the columns done, targets of the others */
    float cost[MOST_STATES + LANES];
    float target[MOST_STATES + LANES]; /* of the next column */
    uint64_t path[MOST_STATES];        /* fresh bits since the group began, the newest lowest */
    int32_t origin[MOST_STATES];       /* the state it was in when the group began */
} Survivors;

/* What a survivor keeps of the groups before the present one, each at its number modulo HELD. */
typedef struct {
    Columns misses[HELD];
    uint64_t paths[HELD];
} History;

typedef struct {
    Survivors survivors[2];
    History histories[2][STATES];
    Choices choices[MOST_STATES / LANES];
} Work;

typedef struct {
    int64_t groups;
    const float *importance; /* [groups * GROUP] */
    const float *response;   /* [groups * GROUP][groups * GROUP], zeros up to the diagonal; NULL: no feedback */
    const float *table;      /* [WINDOWS] */
} Search;

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

/* For every next register state the cheapest of the windows that lead to it, told by their oldest bits. */
static inline __attribute__((always_inline)) void choose(Survivors *from, float *next_cost, Choices *choices,
                                                         const float *table, float importance, int fresh,
                                                         int next_fresh)
{
    const int states = 1 << (L - fresh), next_states = 1 << (L - next_fresh);
    float inverse = 1 / importance;
    for (int s = 0; s < states; s++)
        from->cost[s] *= inverse;
    for (int first = 0; first < next_states; first += LANES) {
        Floats least = INFINITY - (Floats){0};
        Choices choice = {0};
        for (int oldest = 0; oldest < 1 << next_fresh; oldest++) {
            int window = oldest * next_states + first;
            Floats miss = expand(from->target + (window >> fresh), fresh) - *(const UnalignedFloats *)(table + window);
            Floats cost = expand(from->cost + (window >> fresh), fresh) + miss * miss;
            Choices better = cost < least;
            least = (Floats)((better & (Choices)cost) | (~better & (Choices)least));
            choice = (better & oldest) | (~better & choice);
        }
        *(UnalignedFloats *)(next_cost + first) = least * importance;
        choices[first / LANES] = choice;
    }
}

/* One column for all survivors; j: its place in the group, response: of the group's columns to its miss. */
static inline __attribute__((always_inline)) void advance(Survivors *from, Survivors *to, Choices *choices,
                                                          const float *table, float importance, Columns response,
                                                          int j, int fresh, int next_fresh)
{
    const int next_states = 1 << (L - next_fresh);
    choose(from, to->cost, choices, table, importance, fresh, next_fresh);
    for (int s = 0; s < next_states; s++) {
        int window = ((const int32_t *)choices)[s] * next_states + s, state = window >> fresh;
        float miss = from->target[state] - table[window];
        to->columns[s] = from->columns[state] + miss * response;
        to->target[s] = to->columns[s][(j + 1) % GROUP];
        ((float *)&to->columns[s])[j] = miss;
        to->path[s] = from->path[state] << fresh | (window & ((1 << fresh) - 1));
        to->origin[s] = from->origin[state];
    }
}

/* The two words of a group from its bits, the newest lowest: in a word the oldest is lowest. */
static void store_words(uint64_t path, int64_t *words)
{
    uint64_t stream = 0;
    for (int i = 0; i < 2 * WORD_BITS; i++)
        stream |= (path >> (2 * WORD_BITS - 1 - i) & 1) << i;
    words[0] = (int64_t)(stream & ((UINT64_C(1) << WORD_BITS) - 1));
    words[1] = (int64_t)(stream >> WORD_BITS);
}

static int cheapest(const float *cost)
{
    int best = 0;
    for (int s = 1; s < STATES; s++)
        if (cost[s] < cost[best])
            best = s;
    return best;
}

/* Add to the targets from column `first` on what a group's misses make of them. */
static void answer(const Search *search, int64_t group, const Columns *misses, int64_t first, float *targets)
{
    int64_t columns = search->groups * GROUP;
    const float *response = search->response + group * GROUP * columns;
    for (int64_t t = first; t < columns; t += GROUP) {
        Columns sum = *(const UnalignedColumns *)(targets + t);
        for (int i = 0; i < GROUP; i++)
            sum += (*misses)[i] * *(const UnalignedColumns *)(response + i * columns + t);
        *(UnalignedColumns *)(targets + t) = sum;
    }
}

/* Every survivor's targets of a group: the row's, and what its own misses of the groups held make of them. */
static void set_targets(const Search *search, int64_t group, const History *histories, const float *targets,
                        Survivors *survivors)
{
    int64_t columns = search->groups * GROUP, first = group < HELD ? 0 : group - HELD;
    Columns common = *(const UnalignedColumns *)(targets + group * GROUP);
    for (int s = 0; s < STATES; s += BLOCK) {
        Columns sums[BLOCK];
        for (int i = 0; i < BLOCK; i++)
            sums[i] = common;
        for (int64_t held = first; held < group; held++)
            for (int j = 0; j < GROUP; j++) {
                Columns response =
                    *(const UnalignedColumns *)(search->response + (held * GROUP + j) * columns + group * GROUP);
                for (int i = 0; i < BLOCK; i++)
                    sums[i] += ((const float *)&histories[s + i].misses[held % HELD])[j] * response;
            }
        for (int i = 0; i < BLOCK; i++) {
            survivors->columns[s + i] = sums[i];
            survivors->target[s + i] = sums[i][0];
            survivors->path[s + i] = 0;
            survivors->origin[s + i] = s + i;
        }
    }
}

/* Commit the oldest group held, and put the group just done in its place. */
static float commit(const Search *search, int64_t group, Work *work, float *targets, int64_t *words)
{
    Survivors *survivors = &work->survivors[0];
    const History *old = work->histories[group & 1];
    History *new = work->histories[(group + 1) & 1];
    int best = cheapest(survivors->cost), slot = group % HELD;
    const History *committed = &old[survivors->origin[best]];
    float least = survivors->cost[best];
    if (group >= HELD) {
        store_words(committed->paths[slot], words + 2 * (group - HELD));
        answer(search, group - HELD, &committed->misses[slot], (group + 1) * GROUP, targets);
    }
    for (int s = 0; s < STATES; s++) {
        const History *origin = &old[survivors->origin[s]];
        survivors->cost[s] = origin->paths[slot] == committed->paths[slot] ? survivors->cost[s] - least : INFINITY;
        new[s] = *origin;
        new[s].misses[slot] = survivors->columns[s];
        new[s].paths[slot] = survivors->path[s];
    }
    return least;
}

static double encode_row(const Search *search, Work *work, float *targets, int64_t *words)
{
    Survivors *now = &work->survivors[0], *next = &work->survivors[1];
    double loss = 0;
    memset(work, 0, sizeof *work);
    for (int s = 1; s < STATES; s++)
        now->cost[s] = INFINITY; /* the register is 0 before the row */
    for (int64_t group = 0; group < search->groups; group++) {
        set_targets(search, group, work->histories[group & 1], targets, now);
        for (int j = 0; j < GROUP; j += 2) {
            int64_t columns = search->groups * GROUP, t = group * GROUP + j;
            const float *importance = search->importance + t;
            const float *response = search->response + t * columns + group * GROUP;
            advance(now, next, work->choices, search->table, importance[0], *(const UnalignedColumns *)response, j,
                    FRESH_EVEN, FRESH_ODD);
            advance(next, now, work->choices, search->table, importance[1],
                    *(const UnalignedColumns *)(response + columns), j + 1, FRESH_ODD, FRESH_EVEN);
        }
        loss += commit(search, group, work, targets, words);
    }
    const History *best = &work->histories[search->groups & 1][cheapest(now->cost)];
    for (int64_t group = search->groups < HELD ? 0 : search->groups - HELD; group < search->groups; group++)
        store_words(best->paths[group % HELD], words + 2 * group);
    return loss;
}

/* Without feedback nothing but the choices need be kept, and no path is committed before the row's end. */
static double encode_row_plainly(const Search *search, Work *work, const float *targets, uint8_t *kept, int64_t *words)
{
    Survivors *survivors = work->survivors;
    double loss = 0;
    int64_t columns = search->groups * GROUP;
    for (int s = 0; s < STATES; s++)
        survivors[0].cost[s] = s ? INFINITY : 0;
    for (int64_t t = 0; t < columns; t++) {
        Survivors *now = &survivors[t & 1];
        float *next_cost = survivors[(t + 1) & 1].cost;
        for (int s = 0; s < MOST_STATES; s++)
            now->target[s] = targets[t];
        if (t % 2)
            choose(now, next_cost, work->choices, search->table, search->importance[t], FRESH_ODD, FRESH_EVEN);
        else
            choose(now, next_cost, work->choices, search->table, search->importance[t], FRESH_EVEN, FRESH_ODD);
        for (int s = 0; s < MOST_STATES; s++)
            kept[t * MOST_STATES + s] = (uint8_t)((const int32_t *)work->choices)[s];
        if (t % GROUP == GROUP - 1) {
            float least = next_cost[cheapest(next_cost)];
            for (int s = 0; s < STATES; s++)
                next_cost[s] -= least;
            loss += least;
        }
    }
    uint64_t path = 0;
    for (int64_t t = columns - 1, state = cheapest(survivors[0].cost); t >= 0; t--) {
        int fresh = t % 2 ? FRESH_ODD : FRESH_EVEN, next_fresh = t % 2 ? FRESH_EVEN : FRESH_ODD;
        int64_t window = (int64_t)kept[t * MOST_STATES + state] << (L - next_fresh) | state;
        int done = (GROUP - 1 - t % GROUP) / 2 * (FRESH_EVEN + FRESH_ODD) + (t % 2 ? 0 : FRESH_ODD);
        path |= (uint64_t)(window & ((1 << fresh) - 1)) << done;
        if (t % GROUP == 0) {
            store_words(path, words + t / 8);
            path = 0;
        }
        state = window >> fresh;
    }
    return loss;
}

/* Words, int64 [rows][2 * groups], and losses of rows of targets, [rows][groups * 16], which are used up.
 * Returns 1 if there is no memory. */
int encode_rows(int64_t rows, int64_t groups, float *targets, const float *importance, const float *response,
                const float *table, int64_t *words, double *losses)
{
    Search search = {groups, importance, response, table};
    Work *work = aligned_alloc(64, (sizeof(Work) + 63) / 64 * 64);
    uint8_t *kept = response ? NULL : malloc((size_t)(groups * GROUP) * MOST_STATES);
    int failed = !work || (!response && !kept);
    if (!failed)
        memset(work, 0, sizeof *work);
    for (int64_t row = 0; row < rows && !failed; row++) {
        float *row_targets = targets + row * groups * GROUP;
        int64_t *row_words = words + row * 2 * groups;
        losses[row] = response ? encode_row(&search, work, row_targets, row_words)
                               : encode_row_plainly(&search, work, row_targets, kept, row_words);
    }
    free(kept);
    free(work);
    return failed;
}
