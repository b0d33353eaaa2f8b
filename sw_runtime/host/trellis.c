/* Products with trellis rows that stay packed: a row is decoded into the first-level cache and used there.
 *
 * Compiled once a format: WINDOW_BITS (L), FRESH_EVEN and FRESH_ODD (k), TABLE_BITS. formats/trellis.py has the layout.
 * The stream is read with its oldest bit lowest, so windows come here with their bits reversed, and so do masks.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORD_WEIGHTS 8
#define WORD_BITS (4 * (FRESH_EVEN + FRESH_ODD))
#define STEP 64    /* weights decoded at once: eight words, WORD_BITS bytes */
#define MARGIN 8   /* zero bytes before a row: more than a window */
#define OVERRUN 64 /* bytes behind a row that may be read */

typedef struct {
    int64_t columns, row_bytes;
    const int8_t *of_window; /* [2^L]: the weight of every window */
    const int8_t *of_index;  /* [256]: the weight of every index of the table */
    uint64_t low, high;      /* the mix as matrices of 8 by 8 bits: of a window's low byte and of its high one */
} Rows;

/* Stream bits from a word's start to the end of its weight i. */
static inline int end_of(int i) { return (i / 2 + 1) * FRESH_EVEN + (i + 1) / 2 * FRESH_ODD; }

#if defined(__GFNI__) && defined(__AVX512VBMI__) && TABLE_BITS <= 8
#include <immintrin.h>

/* Where the windows of eight words lie, counted from two bytes before the first. */
typedef struct {
    __m512i bytes, low, high;
} Places;

static Places places(void) {
    uint8_t bytes[STEP], low[STEP], high[STEP];
    for (int word = 0; word < STEP / WORD_WEIGHTS; word++) {
        int first = 16 + word * WORD_BITS + FRESH_EVEN - WINDOW_BITS;
        for (int i = 0; i < WORD_WEIGHTS; i++) {
            int start = first % 8 + end_of(i) - FRESH_EVEN;
            bytes[8 * word + i] = first / 8 + i;
            low[8 * word + i] = start;
            high[8 * word + i] = start + 8;
        }
    }
    return (Places){_mm512_loadu_si512(bytes), _mm512_loadu_si512(low), _mm512_loadu_si512(high)};
}

/* Every word with the bits before it goes to eight bytes, every window to two, every index is a matrix product. */
static void decode(const uint8_t *stream, const Rows *rows, int8_t *weights) {
    const Places at = places();
    const __m512i low_mix = _mm512_set1_epi64(rows->low), high_mix = _mm512_set1_epi64(rows->high);
    __m512i table[4];
    for (int part = 0; part < 4; part++) table[part] = _mm512_loadu_si512(rows->of_index + 64 * part);
    for (int64_t first = 0; first < rows->columns; first += STEP, stream += WORD_BITS) {
        __m512i words = _mm512_permutexvar_epi8(at.bytes, _mm512_loadu_si512(stream - 2));
        __m512i low = _mm512_multishift_epi64_epi8(at.low, words);
        __m512i high = _mm512_multishift_epi64_epi8(at.high, words);
        __m512i index = _mm512_xor_si512(_mm512_gf2p8affine_epi64_epi8(low, low_mix, 0),
                                         _mm512_gf2p8affine_epi64_epi8(high, high_mix, 0));
        __m512i lower = _mm512_permutex2var_epi8(table[0], index, table[1]);
        __m512i upper = _mm512_permutex2var_epi8(table[2], index, table[3]);
        _mm512_storeu_si512(weights + first, _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), lower, upper));
    }
}
#else
static void decode(const uint8_t *stream, const Rows *rows, int8_t *weights) {
    int64_t word_end = -WINDOW_BITS;
    for (int64_t first = 0; first < rows->columns; first += WORD_WEIGHTS, word_end += WORD_BITS) {
        for (int i = 0; i < WORD_WEIGHTS; i++) {
            int64_t start = word_end + end_of(i);
            uint32_t bits;
            memcpy(&bits, stream + (start >> 3), sizeof bits); /* little-endian, as the stream */
            weights[first + i] = rows->of_window[bits >> (start & 7) & ((1 << WINDOW_BITS) - 1)];
        }
    }
}
#endif

typedef float Lane __attribute__((vector_size(64), aligned(4)));

/* The order of the additions is fixed: by column, whatever the threads or the other vectors. */
static float product(const float *weights, const float *vector, int64_t padded) {
    Lane sums[4] = {{0}};
    for (int64_t first = 0; first < padded; first += STEP)
        for (int part = 0; part < 4; part++)
            sums[part] += *(const Lane *)(weights + first + 16 * part) * *(const Lane *)(vector + first + 16 * part);
    Lane sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float total = 0;
    for (int place = 0; place < 16; place++) total += sum[place];
    return total;
}

/* Multiply, or decode where the vectors are -1; every row is one thread's.
 *
 * stored uint8 [count, row_bytes], scales float [count], inputs float [vectors, padded], zeros behind the columns, with
 * padded the columns rounded up to a multiple of STEP; outputs float [vectors, count], or the weights [count, columns].
 * Returns 0, or 1 where there is no memory.
 */
int multiply_rows(const Rows *rows, int64_t count, const uint8_t *stored, const float *scales, int64_t vectors,
                  const float *inputs, float *outputs, int threads) {
    int failed = 0;
    int64_t columns = rows->columns, padded = (columns + STEP - 1) / STEP * STEP;
#pragma omp parallel num_threads(threads) reduction(| : failed)
    {
        uint8_t *stream = calloc(MARGIN + rows->row_bytes + OVERRUN, 1);
        int8_t *integers = malloc(padded);
        float *weights = malloc(padded * sizeof *weights);
        failed = !stream || !integers || !weights;
#pragma omp for schedule(static)
        for (int64_t row = 0; row < count; row++) {
            if (failed) continue;
            memcpy(stream + MARGIN, stored + row * rows->row_bytes, rows->row_bytes);
            decode(stream + MARGIN, rows, integers);
            for (int64_t column = 0; column < padded; column++) weights[column] = integers[column];
            for (int64_t v = 0; v < vectors; v++)
                outputs[v * count + row] = scales[row] * product(weights, inputs + v * padded, padded);
            if (vectors < 0)
                for (int64_t column = 0; column < columns; column++)
                    outputs[row * columns + column] = scales[row] * weights[column];
        }
        free(stream);
        free(integers);
        free(weights);
    }
    return failed;
}
