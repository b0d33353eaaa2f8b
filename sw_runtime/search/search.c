/* The best word of every block: exact search over seeds, exponents and coefficients.
 *
 * Seeds are taken in tiles. For each tile a float32 scan finds the seeds whose residual is no greater
 * than the least error so far; for those the lattice is searched in float64.
 */

#include "buckets.inc"
#include "near_zero.inc"

/* Scan one tile for the blocks of one group and search the seeds that remain. */
static void search_group(const Search *search, const Tile *tile, const float *cycle, Group *group, Block *blocks,
                         int count)
{
    Flags found[GROUP];
    Queue queue;
    queue.count = 0;
    if (cycle)
        scan_cycle(tile, cycle, group, found);
    else
        scan_basis(tile, group, found);
    for (int g = 0; g < count; g++)
        for (int lane = 0; lane < LANES && any(&found[g]); lane++)
            for (uint32_t flags = (uint32_t)found[g][lane]; flags; flags &= flags - 1)
                enqueue(search, &queue, &blocks[g], &tile->seeds[__builtin_ctz(flags) * LANES + lane]);
    search_queue(search, &queue);
    for (int g = 0; g < count; g++)
        if (blocks[g].bound < group->bound[g])
            set_limits(&blocks[g], group, g);
}

/* The tile's seeds for all blocks; cycle: the entries from its first seed's on, to scan through R's inverse. */
static void search_tile(const Search *search, const Tile *tile, const float *cycle, Group *groups, Block *blocks,
                        int64_t count)
{
    for (int64_t i = 0; i < count; i += GROUP)
        search_group(search, tile, cycle, &groups[i / GROUP], blocks + i, count - i < GROUP ? (int)(count - i) : GROUP);
}

/* Seeds too ill-conditioned for scan_cycle, gathered from many tiles to be scanned through their basis. */
typedef struct {
    Tile *tile;
    int count;
} Gathered;

static void gather(Gathered *gathered, const Seed *seed)
{
    int i = gathered->count++;
    gathered->tile->seeds[i] = *seed;
    for (int c = 0; c < C; c++)
        for (int p = 0; p < BASIS; p++)
            gathered->tile->basis[i / LANES][p][c][i % LANES] = (float)seed->q[c][p];
}

static void search_gathered(const Search *search, Gathered *gathered, Group *groups, Block *blocks, int64_t count)
{
    for (int last = gathered->count - 1; last >= 0 && gathered->count < TILE;) /* fill up with one of them */
        gather(gathered, &gathered->tile->seeds[last]);
    if (gathered->count)
        search_tile(search, gathered->tile, NULL, groups, blocks, count);
    gathered->count = 0;
}

static void search_all_seeds(const Search *search, Tile *tile, Tile *ill_conditioned, Group *groups, Block *blocks,
                             int64_t count)
{
    Gathered gathered = {ill_conditioned, 0};
    for (int64_t i = 0; i < count; i += GROUP)
        load_group(search, &groups[i / GROUP], blocks + i, count - i < GROUP ? (int)(count - i) : GROUP);
    for (int64_t start = 0; start < SEEDS; start += TILE) { /* the last tile wraps around the cycle */
        for (int i = 0; i < TILE; i += QR_LANES)
            decompose(search, start + i, tile, i);
        search_tile(search, tile, USES_COMPLEMENT ? NULL : search->cycle.floats + start + 1, groups, blocks, count);
        for (int i = 0; i < TILE && !USES_COMPLEMENT; i++)
            if (tile->inverse[i / LANES][0][i % LANES] == 0) {
                gather(&gathered, &tile->seeds[i]);
                if (gathered.count == TILE)
                    search_gathered(search, &gathered, groups, blocks, count);
            }
    }
    search_gathered(search, &gathered, groups, blocks, count);
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

/* An upper bound of the spectral norm that is exact for a diagonal metric. */
static double norm_bound(const double *metric)
{
    double rows = 0, columns = 0;
    for (int i = 0; i < C; i++) {
        double row = 0, column = 0;
        for (int j = 0; j < C; j++) {
            row += fabs(metric[i * C + j]);
            column += fabs(metric[j * C + i]);
        }
        rows = fmax(rows, row);
        columns = fmax(columns, column);
    }
    return sqrt(rows * columns);
}

static void set_metric(Search *search, const double *metric)
{
    search->metric = metric;
    search->metric_norm = norm_bound(metric);
    for (int c = 0; c < C; c++) {
        search->first[c] = C;
        for (int j = C - 1; j >= 0; j--)
            search->first[c] = metric[c * C + j] != 0 ? j : search->first[c];
        for (int j = 0; j < C; j++)
            search->end[c] = metric[c * C + j] != 0 ? j + 1 : search->end[c];
    }
}

static void load_blocks(const double *metric, const double *targets, Block *blocks, int64_t count)
{
    double unit = 0; /* error of an integer step in every column: keeps the bound of zero blocks above 0 */
    for (int i = 0; i < C * C; i++)
        unit += metric[i] * metric[i];
    double greatest_sum = (double)P * fmax(-LEAST, GREATEST) * (1 << (ODD ? ENTRY_BITS : ENTRY_BITS - 1));
    for (int64_t i = 0; i < count; i++) {
        Block *block = &blocks[i];
        *block = (Block){.target = targets + i * C, .index = i};
        for (int c = 0; c < C; c++) {
            for (int j = 0; j < C; j++)
                block->weighted[c] += metric[c * C + j] * block->target[j];
            block->norm += block->weighted[c] * block->weighted[c];
        }
        block->margin = 1e-12 * (block->norm + unit * greatest_sum * greatest_sum); /* with room */
        block->bound = hoped_for() * (block->norm + unit);
    }
}

/* Write the words found; keep the blocks that found none, with so many times the hope. Returns how many. */
static int64_t take_words(Block *blocks, int64_t count, double times, int64_t *words)
{
    int64_t missing = 0;
    for (int64_t i = 0; i < count; i++) {
        if (blocks[i].code) {
            words[blocks[i].index] = word_of(blocks[i].code);
        } else {
            blocks[missing] = blocks[i];
            blocks[missing++].bound *= times;
        }
    }
    return missing;
}

/* Encode count blocks that share a metric: targets [count][C] and metric [C][C] to words [count].
 *
 * All values must be finite. bucketed: try the bucketed search first, which pays for many blocks.
 * rounded: coefficients by the paper's rule. Returns 0, or 1 if there is no memory. */
int encode_blocks(int64_t count, const double *targets, const double *metric, int bucketed, int rounded,
                  int64_t *words)
{
    int64_t length = SEEDS + 2 * TILE + C * P;
    Search search = {.rounded = rounded,
                     .cycle = {malloc(length * sizeof(int32_t)), malloc(length * sizeof(float)),
                               malloc(length * sizeof(uint32_t))}};
    Tile *tiles = aligned_alloc(_Alignof(Tile), 2 * sizeof *tiles);
    Block *blocks = malloc(count * sizeof *blocks);
    Group *groups = malloc((count / GROUP + 1) * sizeof *groups);
    int failed = !(search.cycle.entries && search.cycle.floats && search.cycle.states && tiles && blocks && groups);
    if (!failed) {
        set_metric(&search, metric);
        walk_cycle(length, &search.cycle);
        load_blocks(metric, targets, blocks, count);
        settle_near_zero(&search, &tiles[0], blocks, count);
        count = take_words(blocks, count, 1, words);
    }
    if (!failed && bucketed && count) {
        failed = search_buckets(&search, &tiles[0], blocks, count);
        count = take_words(blocks, count, 2, words);
    }
    while (!failed && count) {
        search_all_seeds(&search, &tiles[0], &tiles[1], groups, blocks, count);
        count = take_words(blocks, count, 2, words);
    }
    free(search.cycle.entries);
    free(search.cycle.floats);
    free(search.cycle.states);
    free(tiles);
    free(blocks);
    free(groups);
    return failed;
}
