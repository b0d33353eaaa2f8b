/* The best coefficients of a seed: all points of the lattice R m 2^shift close enough to be judged.
 *
 * Multipliers are chosen from the last to the first, and a branch is given up when its partial distance
 * passes the bound. Branches of many seeds and blocks advance side by side, which keeps the processor
 * busy where one branch alone would wait for its own results. Every lattice point reached is judged by
 * its error formed from the exact integers, and the least (error, seed, shift, coefficients) in
 * lexicographic order wins, so neither the order of the search nor the processor can change the result.
 */

#pragma once

#include "search.h"

enum {
    VALUES = 2 * COEFFICIENT_HALF,
    BATCH = 1024 / VALUES, /* branches that advance side by side */
};

/* A seed and shift that may beat a block's bound. */
typedef struct {
    Block *block;
    const Seed *seed;
    int shift;
    double area; /* 4^-shift, the unit of distances */
} Candidate;

/* The multipliers P - 1 … p of a candidate, chosen. */
typedef struct Branch {
    Vector rest;     /* Q^T M w 2^-shift less the columns of R times the multipliers */
    double distance; /* residual and squares of rest[P - 1 … p], in units of the area */
    double value;    /* of multiplier p */
    const struct Branch *parent;
    const Candidate *candidate;
} Branch;

/* |M difference|^2, summed in one order; volatile: no product is fused with an addition. */
static double squared_norm(const Search *search, const double *difference)
{
    double total = 0;
    for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int j = search->first[c]; j < search->end[c]; j++) {
            volatile double product = search->metric[c * C + j] * difference[j];
            sum += product;
        }
        volatile double square = sum * sum;
        total += square;
    }
    return total;
}

/* Judge multipliers by the exact error they make. */
static void judge(const Search *search, Block *block, const Seed *seed, int shift, const int64_t multipliers[P])
{
    const int32_t *entries = search->cycle.entries + seed->position + 1;
    uint64_t code = (uint64_t)search->cycle.states[seed->position] << EXPONENT_BITS | (uint64_t)shift;
    double difference[C];
    for (int p = 0; p < P; p++)
        code = code << COEFFICIENT_BITS | (uint64_t)((multipliers[p] - LEAST) / STEP);
    for (int c = 0; c < C; c++) {
        int64_t sum = 0;
        for (int p = 0; p < P; p++)
            sum += entries[c * P + p] * multipliers[p];
        difference[c] = (double)(sum * (1 << shift)) - block->target[c];
    }
    double error = squared_norm(search, difference);
    if (error < block->bound || (error == block->bound && (!block->code || code < block->code))) {
        block->bound = error;
        block->code = code;
    }
}

static void judge_branch(const Search *search, const Branch *branch)
{
    const Candidate *candidate = branch->candidate;
    int64_t multipliers[P];
    if (branch->distance > (candidate->block->bound + candidate->block->margin) * candidate->area)
        return;
    for (int p = 0; p < P; p++, branch = branch->parent)
        multipliers[p] = (int64_t)branch->value;
    judge(search, candidate->block, candidate->seed, candidate->shift, multipliers);
}

/* Judge what the paper's rule makes of a seed: one exponent, floor(log2 max |t|) - 2, and t rounded to nearest. */
static void judge_rounded(const Search *search, Block *block, const Seed *seed, Vector rest)
{
    double t[P], greatest = 0;
    int64_t multipliers[P];
    int shift;
    for (int p = P - 1; p >= 0; p--) { /* least squares, R t = Q^T M w */
        t[p] = rest[p] * seed->inverse[p];
        rest -= seed->r[p] * t[p];
        greatest = fmax(greatest, fabs(t[p]));
    }
    frexp(greatest, &shift);
    shift = shift < 3 ? 0 : shift - 3 < SHIFTS ? shift - 3 : SHIFTS - 1;
    for (int p = 0; p < P; p++)
        multipliers[p] = (int64_t)fmin(fmax(rint(ldexp(t[p], -shift)), LEAST), GREATEST);
    judge(search, block, seed, shift, multipliers);
}

/* Write the branch's child with this multiplier p; 1 if it may still beat the bound, else 0. */
static inline int grow(const Branch *branch, int p, double value, double limit, Branch *child)
{
    const Seed *seed = branch->candidate->seed;
    double rest = branch->rest[p] - seed->r[p][p] * value;
    double distance = branch->distance + rest * rest;
    *child = (Branch){branch->rest - seed->r[p] * value, distance, value, branch, branch->candidate};
    return distance <= limit;
}

static inline int outside(double value)
{
    return (value < LEAST) | (value > GREATEST);
}

/* The children of a branch that may beat the bound; returns how many. */
static inline int grow_all(const Branch *branch, int p, Branch *children)
{
    const Candidate *candidate = branch->candidate;
    double limit = (candidate->block->bound + candidate->block->margin) * candidate->area;
    double centre = branch->rest[p] * candidate->seed->inverse[p];
    double nearest = ODD ? 2 * floor(centre / 2) + 1 : rint(centre);
    nearest = nearest < LEAST ? LEAST : nearest > GREATEST ? GREATEST : nearest;
    double side = copysign(STEP, centre - nearest);
    side *= 1 - 2 * outside(nearest + side);
    double third = nearest - side * (1 - 3 * outside(nearest - side));
    int count = grow(branch, p, nearest, limit, children);
    count += grow(branch, p, nearest + side, limit, children + count);
    if (!grow(branch, p, third, limit, children + count))
        return count;
    for (double value = nearest - side; !outside(value) && grow(branch, p, value, limit, children + count); value -= side)
        count++;
    for (double value = nearest + 2 * side; !outside(value) && grow(branch, p, value, limit, children + count);
         value += side)
        count++;
    return count;
}

/* Judge every point that the branches, their multipliers above p chosen, lead to. */
static void search_branches(const Search *search, const Branch *branches, int count, int p)
{
    Branch children[BATCH * VALUES + 1];
    for (int start = 0; start < count; start += BATCH) {
        int grown = 0;
        for (int i = start; i < count && i < start + BATCH; i++)
            grown += grow_all(&branches[i], p, children + grown);
        if (p)
            search_branches(search, children, grown, p - 1);
        for (int i = 0; i < grown && !p; i++)
            judge_branch(search, &children[i]);
    }
}

/* Seeds to search together. */
typedef struct {
    Candidate candidates[BATCH + SHIFTS];
    Branch roots[BATCH + SHIFTS];
    int count;
} Queue;

static void search_queue(const Search *search, Queue *queue)
{
    search_branches(search, queue->roots, queue->count, P - 1);
    queue->count = 0;
}

/* Queue a seed for a block unless its residual is too great; a full queue is searched.
 *
 * Shifts are left out whose points are too short to come within the radius, or all but 0 too long. */
static inline void enqueue(const Search *search, Queue *queue, Block *block, const Seed *seed)
{
    Vector z = {0};
    for (int c = 0; c < C; c++)
        z += seed->q[c] * block->weighted[c];
    Vector squares = z * z;
    double captured = 0;
    for (int p = 0; p < P; p++)
        captured += squares[p];
    double residual = block->norm - captured, room = block->bound + block->margin - residual;
    if (room < 0)
        return;
    if (search->rounded) {
        judge_rounded(search, block, seed, z);
        return;
    }
    double radius = sqrt(room), size = sqrt(captured);
    int first = 0, last = SHIFTS - 1;
    while (size > radius && first < last && seed->reach * (1 << first) < size - radius)
        first++;
    while (size > radius && first < last && seed->least * (1 << last) > size + radius)
        last--;
    for (int shift = first; shift <= last; shift++) {
        double unit = 1.0 / (1 << shift);
        Candidate *candidate = &queue->candidates[queue->count];
        *candidate = (Candidate){block, seed, shift, unit * unit};
        queue->roots[queue->count++] = (Branch){.rest = z * unit, .distance = residual * unit * unit, .candidate = candidate};
    }
    if (queue->count >= BATCH)
        search_queue(search, queue);
}
