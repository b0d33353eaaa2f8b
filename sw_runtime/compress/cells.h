/* Directions of blocks divided into cells of neighbours.
 *
 * A direction and its opposite are the same: what matters is the angle to a subspace.
 */

#pragma once

#include "search.h"

enum {
    MANY = LANES * LANES, /* directions that fill a vector of cells that fill a vector each */
    FEW = MANY / 2,
    ROUNDS = 4,
    TRAINING = 4096,
    BALL_ROUNDS = 12,
};

typedef struct {
    float unit[C];
    int32_t block;
} Direction;

/* Neighbouring directions, turned to the centre's side. */
typedef struct {
    Direction *directions;
    int64_t count;
    float centre[C];
    double angle; /* to the farthest direction, with room for rounding */
} Cell;

static float dot(const float *a, const float *b)
{
    float sum = 0;
    for (int c = 0; c < C; c++)
        sum += a[c] * b[c];
    return sum;
}

static void normalize(float *a)
{
    float length = sqrtf(dot(a, a));
    for (int c = 0; c < C && length > 0; c++)
        a[c] /= length;
}

static void turn_to_centre(Cell *cell)
{
    for (int64_t i = 0; i < cell->count; i++)
        if (dot(cell->directions[i].unit, cell->centre) < 0)
            for (int c = 0; c < C; c++)
                cell->directions[i].unit[c] = -cell->directions[i].unit[c];
}

static const float *farthest(const Cell *cell, const float *from, float *cosine)
{
    int64_t found = 0;
    *cosine = 2;
    for (int64_t i = 0; i < cell->count; i++) {
        float here = dot(cell->directions[i].unit, from);
        if (here < *cosine) {
            *cosine = here;
            found = i;
        }
    }
    return cell->directions[found].unit;
}

/* Move the centre towards that of the smallest enclosing ball (Badoiu and Clarkson) and measure the angle. */
static void enclose(Cell *cell)
{
    float cosine;
    turn_to_centre(cell);
    for (int round = 1; round <= BALL_ROUNDS; round++) {
        const float *far = farthest(cell, cell->centre, &cosine);
        for (int c = 0; c < C; c++)
            cell->centre[c] += (far[c] - cell->centre[c]) / (round + 1);
        normalize(cell->centre);
    }
    turn_to_centre(cell);
    farthest(cell, cell->centre, &cosine);
    cell->angle = acos(fmin(cosine, 1)) + 1e-3; /* near 0 the arc cosine doubles the error's digits */
}

static int nearest_centre(float centres[LANES][C], int count, const float *unit)
{
    int nearest = 0;
    float best = -1;
    for (int k = 0; k < count; k++) {
        float cosine = fabsf(dot(centres[k], unit));
        nearest = cosine > best ? k : nearest;
        best = cosine > best ? cosine : best;
    }
    return nearest;
}

/* Centres by k-means, trained on some of the directions. */
static void train_centres(const Cell *cell, float centres[LANES][C], int count)
{
    int64_t step = cell->count / TRAINING + 1;
    for (int k = 0; k < count; k++)
        memcpy(centres[k], cell->directions[k * cell->count / count].unit, sizeof centres[k]);
    for (int round = 0; round < ROUNDS; round++) {
        float sums[LANES][C] = {{0}};
        for (int64_t i = 0; i < cell->count; i += step) {
            const float *unit = cell->directions[i].unit;
            int k = nearest_centre(centres, count, unit);
            float sign = dot(centres[k], unit) < 0 ? -1 : 1;
            for (int c = 0; c < C; c++)
                sums[k][c] += sign * unit[c];
        }
        for (int k = 0; k < count; k++)
            if (dot(sums[k], sums[k]) > 0) {
                normalize(sums[k]);
                memcpy(centres[k], sums[k], sizeof centres[k]);
            }
    }
}

static void divide_in_order(const Cell *cell, Cell *children, int count)
{
    for (int k = 0; k < count; k++) {
        int64_t start = k * cell->count / count;
        children[k] = *cell;
        children[k].directions += start;
        children[k].count = (k + 1) * cell->count / count - start;
    }
}

/* Divide a cell into cells around centres of their own; returns how many. Spare has room for all directions. */
static int divide_by_centres(const Cell *cell, Cell children[LANES], Direction *spare)
{
    float centres[LANES][C];
    int64_t starts[LANES + 1] = {0}, at[LANES];
    int count = cell->count / FEW < LANES ? (int)(cell->count / FEW) : LANES;
    train_centres(cell, centres, count);
    for (int64_t i = 0; i < cell->count; i++)
        starts[nearest_centre(centres, count, cell->directions[i].unit) + 1]++;
    for (int k = 0; k < count; k++) {
        at[k] = starts[k];
        children[k] = (Cell){.directions = cell->directions + starts[k], .count = starts[k + 1]};
        memcpy(children[k].centre, centres[k], sizeof centres[k]);
        starts[k + 1] += starts[k];
        if (children[k].count == cell->count) { /* all alike */
            divide_in_order(cell, children, count);
            return count;
        }
    }
    memcpy(spare, cell->directions, cell->count * sizeof *spare);
    for (int64_t i = 0; i < cell->count; i++)
        cell->directions[at[nearest_centre(centres, count, spare[i].unit)]++] = spare[i];
    return count;
}

typedef struct {
    float key;
    Direction direction;
} Keyed;

static int compare_keys(const void *a, const void *b)
{
    float x = ((const Keyed *)a)->key, y = ((const Keyed *)b)->key;
    return (x > y) - (x < y);
}

/* Divide a small cell into cells of LANES directions, by halves across its longest extent; returns how many. */
static int divide_by_halves(const Cell *cell, Cell *children)
{
    Keyed keyed[MANY];
    float cosine, axis[C];
    if (cell->count <= LANES) {
        *children = *cell;
        return 1;
    }
    const float *one = farthest(cell, cell->centre, &cosine), *other = farthest(cell, one, &cosine);
    for (int c = 0; c < C; c++)
        axis[c] = one[c] - other[c];
    for (int64_t i = 0; i < cell->count; i++)
        keyed[i] = (Keyed){dot(axis, cell->directions[i].unit), cell->directions[i]};
    qsort(keyed, (size_t)cell->count, sizeof *keyed, compare_keys);
    for (int64_t i = 0; i < cell->count; i++)
        cell->directions[i] = keyed[i].direction;
    int64_t half = (cell->count / LANES + 1) / 2 * LANES;
    Cell low = *cell, high = *cell;
    low.count = half;
    high.count -= half;
    high.directions += half;
    int count = divide_by_halves(&low, children);
    return count + divide_by_halves(&high, children + count);
}
