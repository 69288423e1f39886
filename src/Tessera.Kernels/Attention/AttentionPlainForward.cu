// Attention in f32 arithmetic, for all types of queries and of keys and values. A block owns ROWS rows of one key-value head's
// queries. With SPLITS 0 they are rows of a sequence with several queries, and the block walks over all keys that they see; with SPLITS
// 1 they are heads of a sequence with one query, and the block walks over one part of its keys.
// Defines: HEAD_DIM, ELEMENTS, QUERY_TYPE, KEY_VALUE_TYPE, ROWS (16, 32 or 64), SPLITS.
// variant: -DHEAD_DIM=128 -DELEMENTS=4 -DQUERY_TYPE=0 -DKEY_VALUE_TYPE=0 -DROWS=64 -DSPLITS=0
// variant: -DHEAD_DIM=256 -DELEMENTS=2 -DQUERY_TYPE=1 -DKEY_VALUE_TYPE=0 -DROWS=32 -DSPLITS=0
// variant: -DHEAD_DIM=10 -DELEMENTS=1 -DQUERY_TYPE=0 -DKEY_VALUE_TYPE=1 -DROWS=16 -DSPLITS=1
#include "attention_plain.cuh"

typedef ElementOf<QUERY_TYPE>::type Query;
typedef ElementOf<KEY_VALUE_TYPE>::type KeyValue;
constexpr int Keys = ROWS == 32 ? 32 : 64;
constexpr int RowsEach = ROWS / 16;
constexpr int KeysEach = Keys / 16;
constexpr int WeightStride = Keys + 4;

extern "C" __global__ void __launch_bounds__(PlainThreads) attention_plain_forward(const __grid_constant__ AttentionForwardArguments a) {
    extern __shared__ __align__(16) float tiles[];
    float *queries = tiles, *key_values = queries + ROWS * TILE_STRIDE, *weights = key_values + Keys * TILE_STRIDE;
    const int x = threadIdx.x & 15, y = threadIdx.x >> 4, window = window_of(a.window);
    int s, kv_head, first_row, rows, begin, end;
    if (SPLITS) {
        s = a.first_segment + blockIdx.z;
        const int key_count = a.segments[s].key_count, blocks = (a.group + ROWS - 1) / ROWS;
        if (a.segments[s].query_count != 1 || (int)blockIdx.x >= splits_of(key_count, window)) {
            return;
        }
        const Split split = split_of(key_count, window, blockIdx.x);
        kv_head = blockIdx.y / blocks, first_row = blockIdx.y % blocks * ROWS, rows = a.group;
        begin = split.begin, end = split.end;
    } else {
        int2 found;
        if (!find_tile<PlainThreads>(a.segments, a.segment_count, a.least_queries, a.group, ROWS, true, found)) {
            return;
        }
        s = found.x, kv_head = blockIdx.y, first_row = found.y * ROWS;
        const int query_count = a.segments[s].query_count, prefix = a.segments[s].key_count - query_count;
        rows = query_count * a.group;
        begin = first_visible(prefix + query_of(first_row, a.group_reciprocal), window) / Keys * Keys;
        end = prefix + query_of(min(first_row + ROWS, rows) - 1, a.group_reciprocal) + 1;
    }
    const Segment segment = a.segments[s];
    const int prefix = segment.key_count - segment.query_count;
    const Query *query_base = (const Query *)a.queries + segment.query_start * a.query_stride + (long)kv_head * a.group * HEAD_DIM;
    const KeyValue *key_base = (const KeyValue *)a.keys + kv_head * HEAD_DIM;
    const KeyValue *value_base = (const KeyValue *)a.values + kv_head * HEAD_DIM;
    const float to_powers = a.scale * LOG2_E;

    load_plain<ROWS>(queries, [&](int i) {
        int row = first_row + i, query = query_of(row, a.group_reciprocal);
        return row < rows ? query_base + query * a.query_stride + (row - query * a.group) * HEAD_DIM : (const Query *)0;
    });
    float sums[RowsEach][ColumnBlocks][4] = {}, maximum[RowsEach], total[RowsEach];
    int position[RowsEach];
#pragma unroll
    for (int i = 0; i < RowsEach; i++) {
        maximum[i] = -INFINITY, total[i] = 0.0f;
        position[i] = prefix + query_of(min(first_row + y + 16 * i, rows - 1), a.group_reciprocal);
    }
    for (int tile = begin; tile < end; tile += Keys) {
        const long first = row_of(segment, tile);
        const int count = segment.key_count - tile;
        __syncthreads();
        load_plain<Keys>(key_values, [&](int i) { return i < count ? key_base + (first + i) * a.key_value_stride : (const KeyValue *)0; });
        __syncthreads();
        float scores[RowsEach][KeysEach];
        multiply_rows(queries, key_values, scores);
#pragma unroll
        for (int i = 0; i < RowsEach; i++) {
            float highest = -INFINITY;
#pragma unroll
            for (int j = 0; j < KeysEach; j++) {
                int key = tile + x + 16 * j;
                scores[i][j] = key <= position[i] && key > position[i] - window && key < end ? scores[i][j] * to_powers : -INFINITY;
                highest = fmaxf(highest, scores[i][j]);
            }
            highest = fmaxf(row_maximum(highest), maximum[i]);
            float shift = highest == -INFINITY ? 0.0f : highest, sum = 0.0f;
            float rescale = exp2f(maximum[i] - shift);
            maximum[i] = highest;
#pragma unroll
            for (int j = 0; j < KeysEach; j++) {
                float weight = exp2f(scores[i][j] - shift);
                weights[(y + 16 * i) * WeightStride + x + 16 * j] = weight;
                sum += weight;
            }
            total[i] = fmaf(total[i], rescale, row_sum(sum));
#pragma unroll
            for (int c = 0; c < ColumnBlocks; c++) {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    sums[i][c][e] *= rescale;
                }
            }
        }
        __syncthreads();
        load_plain<Keys>(key_values, [&](int i) { return i < count ? value_base + (first + i) * a.key_value_stride : (const KeyValue *)0; });
        __syncthreads();
        add_weighted_rows<RowsEach, Keys, WeightStride>(weights, key_values, sums);
    }

    const long part = ((long)blockIdx.z * (a.heads / a.group) + kv_head) * a.splits + blockIdx.x;
#pragma unroll
    for (int i = 0; i < RowsEach; i++) {
        const int row = first_row + y + 16 * i, query = query_of(row, a.group_reciprocal);
        const int head = kv_head * a.group + row - query * a.group;
        if (row >= rows) {
            continue;
        }
        if (SPLITS && a.splits > 1) {
            store_plain(a.part_outputs + (part * a.group + row) * HEAD_DIM, sums[i], 1.0f);
            if (x == 0) {
                a.part_statistics[(part * a.group + row) * 2] = maximum[i];
                a.part_statistics[(part * a.group + row) * 2 + 1] = total[i];
            }
        } else {
            const long token = segment.query_start + query;
            store_plain((Query *)a.output + token * a.output_stride + (long)head * HEAD_DIM, sums[i], 1.0f / total[i]);
            if (!SPLITS && x == 0 && a.log_sum_exp != 0) {
                a.log_sum_exp[token * a.heads + head] = (maximum[i] + log2f(total[i])) * LN_2;
            }
        }
    }
}
