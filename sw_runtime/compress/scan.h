/* The float32 scan: which seeds of a tile leave a residual no greater than a block's bound.
 *
 * Its limits leave room for every rounding, so the compiler may order and fuse its sums as it likes.
 */

#pragma once

#include "seeds.h"

/* Blocks scanned together. */
typedef struct {
    float weighted[C][GROUP]; /* M w */
    float gradient[C][GROUP]; /* M^T M w */
    double bound[GROUP];      /* of the blocks, as the limits have it */
    float limit[GROUP];       /* of |N^T M w|^2 from above, or of |Q^T M w|^2 from below, by the basis */
    float loose_limit[GROUP]; /* of |Q^T M w|^2 from below, by R's inverse */
} Group;

/* Projections on up to P unit vectors err by at most this together. */
static double rounding(const Block *block)
{
    return sqrt(P) * (C + 3) * ldexp(1, -24) * sqrt(block->norm);
}

/* What |Q^T M w|^2 must reach; the square and the sum add less than 2e-6 of themselves to the rounding. */
static float least_captured(const Block *block)
{
    double captured = fmax(block->norm - block->bound - block->margin, 0);
    double root = fmax(sqrt(captured) - rounding(block), 0);
    return (float)(root * root * (1 - 2e-6));
}

/* What |N^T M w|^2 must not exceed. */
static float greatest_residual(const Block *block)
{
    double root = sqrt(block->bound + block->margin) + rounding(block);
    return (float)(root * root * (1 + 2e-6));
}

static void set_limits(const Block *block, Group *group, int g)
{
    double captured = fmax(block->norm - block->bound - block->margin, 0);
    group->bound[g] = block->bound;
    group->limit[g] = USES_COMPLEMENT ? greatest_residual(block) : least_captured(block);
    group->loose_limit[g] = (float)(captured * (1 - 2e-6) - 2.01 * ILL_CONDITIONED * block->norm);
}

static void load_group(const Search *search, Group *group, const Block *blocks, int count)
{
    memset(group, 0, sizeof *group);
    for (int g = 0; g < GROUP; g++) {
        group->limit[g] = USES_COMPLEMENT ? -1 : INFINITY;
        group->loose_limit[g] = INFINITY;
        if (g < count)
            set_limits(&blocks[g], group, g);
        for (int c = 0; g < count && c < C; c++) {
            double gradient = 0;
            for (int j = 0; j < C; j++)
                gradient += search->metric[j * C + c] * blocks[g].weighted[j];
            group->weighted[c][g] = (float)blocks[g].weighted[c];
            group->gradient[c][g] = (float)gradient;
        }
    }
}

static int any(const Flags *flags)
{
    int32_t all = 0;
    for (int lane = 0; lane < LANES; lane++)
        all |= (*flags)[lane];
    return all != 0;
}

/* Bit v of found[g][lane]: seed v * LANES + lane of the tile may beat block g's bound. */
static void scan_basis(const Tile *tile, const Group *group, Flags found[GROUP])
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

/* The same for successive seeds, through d = U^T M^T M w and R^-T d. A seed's columns are windows of
 * the cycle, so d slides along it and neighbours share its values. */
static void scan_cycle(const Tile *tile, const float *cycle, const Group *group, Flags found[GROUP])
{
    float products[GROUP][TILE + LANES * SLIDE]; /* by position on the cycle */
    for (int v = 0; v < VECTORS + SLIDE; v++) {
        Floats sum[GROUP] = {{0}};
#pragma GCC unroll 64
        for (int c = 0; c < C; c++) {
            Floats entries = *(const UnalignedFloats *)(cycle + v * LANES + c * P);
#pragma GCC unroll 8
            for (int g = 0; g < GROUP; g++)
                sum[g] += entries * group->gradient[c][g];
        }
#pragma GCC unroll 8
        for (int g = 0; g < GROUP; g++)
            *(UnalignedFloats *)(products[g] + v * LANES) = sum[g];
    }
    Flags flags[GROUP] = {{0}};
    for (int v = 0; v < VECTORS; v++) {
#pragma GCC unroll 8
        for (int g = 0; g < GROUP; g++) {
            Floats captured = {0};
#pragma GCC unroll 16
            for (int p = 0; p < P; p++) {
                Floats z = {0};
#pragma GCC unroll 16
                for (int q = 0; q <= p; q++)
                    z += tile->inverse[v][p * (p + 1) / 2 + q] * *(UnalignedFloats *)(products[g] + v * LANES + q);
                captured += z * z;
            }
            flags[g] |= (captured >= group->loose_limit[g]) & (int32_t)((uint32_t)1 << v);
        }
    }
    memcpy(found, flags, sizeof flags);
}
