/* The seeds' matrices and their decompositions. */

#pragma once

#include "search.h"

#define ILL_CONDITIONED 5e-4 /* relative float32 error from which a projection through R's inverse is not used */

static void walk_cycle(int64_t count, Cycle *cycle)
{
    uint32_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        int32_t v = (int32_t)(state & (((uint32_t)1 << ENTRY_BITS) - 1));
        cycle->states[i] = state;
        cycle->entries[i] = ODD ? 2 * v - (1 << ENTRY_BITS) + 1 : v - (1 << (ENTRY_BITS - 1));
        cycle->floats[i] = (float)cycle->entries[i];
        state = state >> 1 | (uint32_t)__builtin_parity(state & TAP_MASK) << (LFSR_BITS - 1);
    }
}

/* M U of QR_LANES successive seeds, each one lane. */
static void weigh(const int32_t *entries, const double *metric, Doubles a[C][P])
{
    Doubles window[C * P];
    for (int i = 0; i < C * P; i++)
        for (int lane = 0; lane < QR_LANES; lane++)
            window[i][lane] = entries[i + lane];
    for (int c = 0; c < C; c++) {
        for (int p = 0; p < P; p++)
            a[c][p] = (Doubles){0};
        for (int j = 0; j < C; j++)
            if (metric[c * C + j] != 0)
                for (int p = 0; p < P; p++)
                    a[c][p] += metric[c * C + j] * window[j * P + p];
    }
}

/* Householder reflections: a's lower part becomes the reflectors, its upper part R. */
static void reflect(Doubles a[C][P], Doubles diagonal[P], Doubles beta[P])
{
    for (int p = 0; p < P; p++) {
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
}

/* Rows of R^-T, in float32 where they are good enough.
 *
 * A scan forms d = U^T v, v = M^T M w, and R^-T d in float32. Whatever the order of the sums it errs by
 * at most (C + P + 3) 2^-24 |v| | |R^-T| (|U_p|)_p |, and |v| is at most |M| |M w|. */
static void invert(const Doubles a[C][P], const Doubles diagonal[P], const int32_t *entries, double metric_norm,
                   Tile *tile, int first)
{
    Doubles inverse[P][P], error = {0}, norms[P];
    for (int p = 0; p < P; p++) {
        double squares[QR_LANES] = {0};
        for (int c = 0; c < C; c++)
            for (int lane = 0; lane < QR_LANES; lane++)
                squares[lane] += (double)entries[c * P + p + lane] * entries[c * P + p + lane];
        for (int lane = 0; lane < QR_LANES; lane++)
            norms[p][lane] = sqrt(squares[lane]);
    }
    for (int p = 0; p < P; p++) { /* row p of the inverse of the lower triangle R^T */
        Doubles size = {0};
        for (int q = 0; q <= p; q++) {
            Doubles sum = (Doubles){0} + (p == q);
            for (int j = q; j < p; j++)
                sum -= a[j][p] * inverse[j][q];
            inverse[p][q] = sum / diagonal[p];
            for (int lane = 0; lane < QR_LANES; lane++)
                size[lane] += fabs(inverse[p][q][lane]) * norms[q][lane];
        }
        error += size * size;
    }
    for (int lane = 0; lane < QR_LANES; lane++) {
        int i = first + lane;
        int good = sqrt(error[lane]) * (C + P + 3) * ldexp(1, -24) * metric_norm <= ILL_CONDITIONED;
        for (int p = 0, at = 0; p < P; p++)
            for (int q = 0; q <= p; q++, at++)
                tile->inverse[i / LANES][at][i % LANES] = good ? (float)inverse[p][q][lane] : 0;
    }
}

static double length_of(Vector column)
{
    double squares = 0;
    for (int p = 0; p < P; p++)
        squares += column[p] * column[p];
    return sqrt(squares);
}

/* Decompose M U of QR_LANES successive seeds, from tile->seeds[first] on. */
static void decompose(const Search *search, int64_t position, Tile *tile, int first)
{
    const int32_t *entries = search->cycle.entries + position + 1;
    Doubles a[C][P], diagonal[P], beta[P];
    weigh(entries, search->metric, a);
    reflect(a, diagonal, beta);
    for (int lane = 0; lane < QR_LANES; lane++) {
        Seed *seed = &tile->seeds[first + lane];
        memset(seed, 0, sizeof *seed);
        seed->position = position + lane;
        seed->least = INFINITY;
        for (int p = 0; p < P; p++) {
            seed->inverse[p] = diagonal[p][lane] != 0 ? 1 / diagonal[p][lane] : 0;
            for (int j = 0; j < p; j++)
                seed->r[p][j] = a[j][p][lane];
            seed->r[p][p] = diagonal[p][lane];
            seed->reach += fmax(-LEAST, GREATEST) * length_of(seed->r[p]) * (1 + 1e-9);
            seed->least = fmin(seed->least, fabs(diagonal[p][lane]) * (1 - 1e-9));
        }
    }
    if (!USES_COMPLEMENT)
        invert(a, diagonal, entries, search->metric_norm, tile, first);
#pragma GCC unroll 64
    for (int k = 0; k < (USES_COMPLEMENT ? C : P); k++) { /* column k of the full orthogonal matrix [Q N] */
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
        for (int c = 0; c < C; c++)
            for (int lane = 0; lane < QR_LANES; lane++) {
                int i = first + lane;
                if (k < P)
                    tile->seeds[i].q[c][k] = column[c][lane];
                else
                    tile->basis[i / LANES][k - P][c][i % LANES] = (float)column[c][lane];
            }
    }
}
