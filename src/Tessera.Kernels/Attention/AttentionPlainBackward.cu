// Gradients of attention in f32 arithmetic. With KEYS 1 a block owns TILE keys of one key-value head and walks over the rows that see
// them, in the order of queries and of the group's heads: dV += Pᵀ·dO, dK += dSᵀ·Q. With KEYS 0 it owns TILE rows of one
// key-value head's queries and walks over the keys that they see: dQ += dS·K. Either way every sum has one owner and one order.
// Formulas: Dao et al. 2022, section B.2. Defines: HEAD_DIM, ELEMENTS, QUERY_TYPE, TILE (16 or 32), KEYS.
// variant: -DHEAD_DIM=128 -DELEMENTS=4 -DQUERY_TYPE=0 -DTILE=32 -DKEYS=1
// variant: -DHEAD_DIM=256 -DELEMENTS=1 -DQUERY_TYPE=1 -DTILE=16 -DKEYS=0
#include "attention_plain.cuh"

typedef ElementOf<QUERY_TYPE>::type Element;
constexpr int Each = TILE / 16;
constexpr int WeightStride = TILE + 4;

extern "C" __global__ void __launch_bounds__(PlainThreads) attention_plain_backward(const __grid_constant__ AttentionBackwardArguments a) {
    extern __shared__ __align__(16) float tiles[];
    __shared__ float log_sums[TILE], deltas[TILE];
    float *queries = tiles, *grads = queries + TILE * TILE_STRIDE, *keys = grads + TILE * TILE_STRIDE, *values = keys + TILE * TILE_STRIDE;
    float *weights = values + TILE * TILE_STRIDE, *score_grads = weights + TILE * WeightStride;
    int2 found;
    if (!find_tile<PlainThreads>(a.segments, a.segment_count, 1, KEYS ? 1 : a.group, TILE, !KEYS, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, x = threadIdx.x & 15, y = threadIdx.x >> 4, window = window_of(a.window);
    const int own = found.y * TILE, rows = segment.query_count * a.group;
    const long start = segment.query_start, head_offset = (long)kv_head * a.group * HEAD_DIM;
    const Element *query_base = (const Element *)a.queries + start * a.query_stride + head_offset;
    const Element *grad_base = (const Element *)a.grad_output + start * a.output_stride + head_offset;
    const float to_powers = a.scale * LOG2_E;

    const auto load_rows = [&](int first) {
        const auto row_at = [&](const Element *base, long stride, int i) {
            int row = first + i, query = query_of(row, a.group_reciprocal);
            return row < rows ? base + query * stride + (row - query * a.group) * HEAD_DIM : (const Element *)0;
        };
        load_plain<TILE>(queries, [&](int i) { return row_at(query_base, a.query_stride, i); });
        load_plain<TILE>(grads, [&](int i) { return row_at(grad_base, a.output_stride, i); });
        if (threadIdx.x < TILE) {
            int row = min(first + (int)threadIdx.x, rows - 1), query = query_of(row, a.group_reciprocal);
            long at = (start + query) * a.heads + kv_head * a.group + row - query * a.group;
            log_sums[threadIdx.x] = a.log_sum_exp[at] * LOG2_E;
            deltas[threadIdx.x] = a.delta[at];
        }
    };
    const auto load_keys = [&](int first) {
        const auto row_at = [&](const void *base, int i) {
            return first + i < segment.key_count ? (const Element *)base + (segment.key_start + first + i) * a.key_value_stride + kv_head * HEAD_DIM
                                                 : (const Element *)0;
        };
        load_plain<TILE>(keys, [&](int i) { return row_at(a.keys, i); });
        load_plain<TILE>(values, [&](int i) { return row_at(a.values, i); });
    };
    const auto probability_of = [&](float score, int row, int row_in_tile, int key) {
        int position = query_of(row, a.group_reciprocal);
        float probability = exp2f(fmaf(score, to_powers, -log_sums[row_in_tile]));
        return row < rows && key <= position && key > position - window ? probability : 0.0f;
    };

    float first_sums[Each][ColumnBlocks][4] = {}, second_sums[Each][ColumnBlocks][4] = {};
    int begin, end;
    if (KEYS) {
        load_keys(own);
        begin = own * a.group / TILE * TILE, end = min(segment.query_count, own + TILE - 1 + window) * a.group;
    } else {
        load_rows(own);
        begin = first_visible(query_of(own, a.group_reciprocal), window) / TILE * TILE;
        end = query_of(min(own + TILE, rows) - 1, a.group_reciprocal) + 1;
    }
    for (int step = begin; step < end; step += TILE) {
        __syncthreads();
        if (KEYS) {
            load_rows(step);
        } else {
            load_keys(step);
        }
        __syncthreads();
        float p[Each][Each], ds[Each][Each];
        multiply_rows(KEYS ? keys : queries, KEYS ? queries : keys, p);
        multiply_rows(KEYS ? values : grads, KEYS ? grads : values, ds);
#pragma unroll
        for (int i = 0; i < Each; i++) {
#pragma unroll
            for (int j = 0; j < Each; j++) {
                const int left = y + 16 * i, right = x + 16 * j, row_in_tile = KEYS ? right : left;
                const int row = (KEYS ? step : own) + row_in_tile, key = KEYS ? own + left : step + right;
                float probability = probability_of(p[i][j], row, row_in_tile, key);
                weights[left * WeightStride + right] = probability;
                score_grads[left * WeightStride + right] = probability * (ds[i][j] - deltas[row_in_tile]);
            }
        }
        __syncthreads();
        if (KEYS) {
            add_weighted_rows<Each, TILE, WeightStride>(weights, grads, first_sums);
            add_weighted_rows<Each, TILE, WeightStride>(score_grads, queries, second_sums);
        } else {
            add_weighted_rows<Each, TILE, WeightStride>(score_grads, keys, first_sums);
        }
    }

#pragma unroll
    for (int i = 0; i < Each; i++) {
        const int at = own + y + 16 * i;
        if (KEYS && at < segment.key_count) {
            const long target = (start + at) * a.grad_stride + kv_head * HEAD_DIM;
            store_plain((Element *)a.grad_values + target, first_sums[i], 1.0f);
            store_plain((Element *)a.grad_keys + target, second_sums[i], a.scale);
        }
        if (!KEYS && at < rows) {
            const int query = query_of(at, a.group_reciprocal);
            const long target = (start + query) * a.grad_stride + head_offset + (at - query * a.group) * HEAD_DIM;
            store_plain((Element *)a.grad_queries + target, first_sums[i], a.scale);
        }
    }
}
