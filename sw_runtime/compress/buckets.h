/* The bucketed search: blocks of like direction share a short list of seeds.
 *
 * For a block at an angle of at most a from a cell's centre, the angle to a seed's span is at least the
 * centre's angle to the span less a. So only seeds within a + g of the centre can leave the block a
 * residual of sin^2 g or less, relative to the block. Cells are divided and their lists narrowed until a
 * cell fills one vector. A block whose best error is within sin^2 g is done; the others are left to the
 * search of all seeds.
 */

#pragma once

#include "cells.h"
#include "lattice.h"
#include "scan.h"

enum { AHEAD = 12 /* seeds whose bases are fetched before their turn */ };

typedef struct {
    const Search *search;
    const Seed *seeds;       /* [SEEDS] */
    float (*bases)[P][C]; /* [SEEDS], Q's columns */
    Block *blocks;
    Direction *spare;
    double angle; /* g */
    Queue queue;
} Buckets;

/* |Q^T u|^2 of one seed for the directions in the lanes. */
static inline Floats captured_energy(float basis[P][C], const Floats units[C])
{
    Floats sum = {0};
#pragma GCC unroll 16
    for (int p = 0; p < P; p++) {
        Floats projection = {0};
#pragma GCC unroll 64
        for (int c = 0; c < C; c++)
            projection += basis[p][c] * units[c];
        sum += projection * projection;
    }
    return sum;
}

/* Search a list of seeds for the blocks of a cell that fills no more than one vector. */
static void search_cell(Buckets *buckets, const Cell *cell, const int32_t *seeds, int64_t count)
{
    Floats weighted[C], limit = {0};
    for (int lane = 0; lane < LANES; lane++) {
        Block *block = &buckets->blocks[cell->directions[lane < cell->count ? lane : 0].block];
        limit[lane] = lane < cell->count ? least_captured(block) : INFINITY;
        for (int c = 0; c < C; c++)
            weighted[c][lane] = (float)block->weighted[c];
    }
    for (int64_t start = 0; start < count; start += VECTORS) {
        Flags flags = {0};
        int size = count - start < VECTORS ? (int)(count - start) : VECTORS;
        for (int i = 0; i < size; i++) {
            __builtin_prefetch(buckets->bases[seeds[start + i + AHEAD]]);
            Flags keep = captured_energy(buckets->bases[seeds[start + i]], weighted) >= limit;
            flags |= keep & (int32_t)((uint32_t)1 << i);
        }
        if (!any(&flags))
            continue;
        for (int lane = 0; lane < cell->count; lane++)
            for (uint32_t bits = (uint32_t)flags[lane]; bits; bits &= bits - 1)
                enqueue(buckets->search, &buckets->queue, &buckets->blocks[cell->directions[lane].block],
                        &buckets->seeds[seeds[start + __builtin_ctz(bits)]]);
        search_queue(buckets->search, &buckets->queue);
        for (int lane = 0; lane < cell->count; lane++)
            limit[lane] = least_captured(&buckets->blocks[cell->directions[lane].block]);
    }
}

/* The seeds near enough to each child's centre; lists[child] has room for all of them. */
static void narrow(const Buckets *buckets, const Cell *children, int child_count, const int32_t *seeds, int64_t count,
                   int32_t *lists[LANES], int64_t counts[LANES])
{
    Floats centres[C], limit;
    for (int lane = 0; lane < LANES; lane++) {
        const Cell *child = &children[lane < child_count ? lane : 0];
        double angle = child->angle + buckets->angle;
        limit[lane] = angle < M_PI / 2 ? (float)(cos(angle) * cos(angle) - 1e-5) : -1;
        counts[lane] = 0;
        for (int c = 0; c < C; c++)
            centres[c][lane] = child->centre[c];
    }
    for (int64_t i = 0; i < count; i++) {
        __builtin_prefetch(buckets->bases[seeds[i + AHEAD]]);
        Flags near = captured_energy(buckets->bases[seeds[i]], centres) >= limit;
        for (int lane = 0; lane < child_count; lane++) {
            lists[lane][counts[lane]] = seeds[i];
            counts[lane] -= near[lane];
        }
    }
}

/* Search a list of seeds, AHEAD more valid ones after it, for the blocks of a cell. Returns 1 if there is no memory. */
static int search_cells(Buckets *buckets, Cell *cell, const int32_t *seeds, int64_t count)
{
    Cell children[LANES];
    int32_t *lists[LANES];
    int64_t counts[LANES];
    int failed = 0;
    if (cell->count <= LANES) {
        search_cell(buckets, cell, seeds, count);
        return 0;
    }
    int child_count = cell->count > MANY ? divide_by_centres(cell, children, buckets->spare)
                                         : divide_by_halves(cell, children);
    int32_t *memory = malloc(child_count * (count + AHEAD) * sizeof *memory);
    if (!memory)
        return 1;
    for (int k = 0; k < child_count; k++) {
        lists[k] = memory + k * (count + AHEAD);
        if (children[k].count)
            enclose(&children[k]);
    }
    narrow(buckets, children, child_count, seeds, count, lists, counts);
    for (int k = 0; k < child_count && !failed; k++) {
        memset(lists[k] + counts[k], 0, AHEAD * sizeof **lists);
        if (children[k].count)
            failed = search_cells(buckets, &children[k], lists[k], counts[k]);
    }
    free(memory);
    return failed;
}

/* Decompose all seeds into the buckets' tables. */
static void fill_tables(const Search *search, Tile *tile, Seed *seeds, float (*bases)[P][C])
{
    for (int64_t i = 0; i < SEEDS; i++) {
        if (i % TILE % QR_LANES == 0)
            decompose(search, i, tile, (int)(i % TILE));
        seeds[i] = tile->seeds[i % TILE];
        for (int p = 0; p < P; p++)
            for (int c = 0; c < C; c++)
                bases[i][p][c] = (float)seeds[i].q[c][p];
    }
}

/* Search for all blocks; those that it cannot settle are left without a code. Returns 1 if there is no memory. */
static int search_buckets(const Search *search, Tile *tile, Block *blocks, int64_t count)
{
    double share = hoped_for() * 1.001; /* sin^2 g; a block whose bound is greater has no norm to speak of */
    Seed *seeds = aligned_alloc(_Alignof(Seed), SEEDS * sizeof *seeds);
    int32_t *list = calloc(SEEDS + AHEAD, sizeof *list);
    Direction *directions = malloc(2 * count * sizeof *directions);
    Buckets *buckets = aligned_alloc(_Alignof(Buckets), sizeof *buckets);
    float(*bases)[P][C] = malloc(SEEDS * sizeof *bases);
    int failed = !(seeds && list && directions && buckets && bases);
    if (!failed) {
        *buckets = (Buckets){.search = search, .seeds = seeds, .bases = bases, .blocks = blocks,
                             .spare = directions + count, .angle = asin(sqrt(share))};
        fill_tables(search, tile, seeds, bases);
        for (int32_t i = 0; i < SEEDS; i++)
            list[i] = i;
        Cell all = {.directions = directions};
        for (int64_t i = 0; i < count; i++)
            if (blocks[i].bound <= share * blocks[i].norm) {
                Direction *direction = &directions[all.count++];
                direction->block = (int32_t)i;
                for (int c = 0; c < C; c++)
                    direction->unit[c] = (float)(blocks[i].weighted[c] / sqrt(blocks[i].norm));
            }
        failed = all.count && search_cells(buckets, &all, list, SEEDS);
    }
    free(seeds);
    free(list);
    free(directions);
    free(buckets);
    free(bases);
    return failed;
}
