// Gradient of queries, bf16. A block owns 128 rows (64 beyond 128 elements) of one key-value head's queries and walks over
// the keys that they see; each warp owns 16 rows, whose queries and gradients stay in registers as A of its products:
// S = Q·Kᵀ, dP = dO·Vᵀ, then dQ += dS·K with dS passed on in registers. Scores are computed once more than in a single pass over
// keys, and in return no block adds to what another one adds to.
// Formulas: Dao et al. 2022, section B.2. Defines: HEAD_DIM, VECTOR_BYTES.
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=200 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=10 -DVECTOR_BYTES=4
#include "attention_tiles.cuh"

constexpr bool Held = PADDED <= 128;
constexpr int Warps = Held ? 8 : 4;
constexpr int Threads = 32 * Warps;
constexpr int Rows = 16 * Warps;
constexpr int Keys = Held ? 64 : 32;
constexpr int Stages = Held ? 2 : 1;
constexpr int Depth = PADDED / 16;
constexpr int StageElements = 2 * Keys * TILE_STRIDE;

extern "C" __global__ void __launch_bounds__(Threads, 1) attention_backward_queries(const __grid_constant__ AttentionBackwardArguments a) {
    extern __shared__ __align__(16) unsigned char room[];
    bf16 *tiles = reinterpret_cast<bf16 *>(room), *stages = tiles + (Held ? 0 : 2 * Rows * TILE_STRIDE);
    int2 found;
    if (!find_tile<Threads>(a.segments, a.segment_count, 1, a.group, Rows, true, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int window = window_of(a.window);
    const int first_row = found.y * Rows, rows = segment.query_count * a.group, last_row = min(first_row + Rows, rows) - 1;
    const int end = query_of(last_row, a.group_reciprocal) + 1;
    const int begin = first_visible(query_of(first_row, a.group_reciprocal), window) / Keys * Keys;
    const long start = segment.query_start, head_offset = (long)kv_head * a.group * HEAD_DIM;
    const PackedHeads<const bf16> queries = {
        (const bf16 *)a.queries + start * a.query_stride + head_offset, a.query_stride, a.group_reciprocal, a.group};
    const PackedHeads<const bf16> grads = {
        (const bf16 *)a.grad_output + start * a.output_stride + head_offset, a.output_stride, a.group_reciprocal, a.group};
    const bf16 *key_base = (const bf16 *)a.keys + segment.key_start * a.key_value_stride + kv_head * HEAD_DIM;
    const bf16 *value_base = (const bf16 *)a.values + segment.key_start * a.key_value_stride + kv_head * HEAD_DIM;

    // Q and dO take the stages' room until they are in registers.
    load_heads<Rows, Threads>(tiles, queries, first_row, rows);
    load_heads<Rows, Threads>(tiles + Rows * TILE_STRIDE, grads, first_row, rows);
    end_copies();
    const int warp_row = first_row + warp * 16;
    int position[2];
    float log_sum[2], delta[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int row = min(warp_row + h * 8 + (lane >> 2), last_row);
        position[h] = query_of(row, a.group_reciprocal);
        long at = (start + position[h]) * a.heads + kv_head * a.group + row - position[h] * a.group;
        log_sum[h] = a.log_sum_exp[at] * LOG2_E;
        delta[h] = a.delta[at];
    }
    const int warp_first = query_of(warp_row, a.group_reciprocal), warp_last = query_of(min(warp_row + 15, last_row), a.group_reciprocal);
    wait_copies<0>();
    __syncthreads();
    RowsOfA<Held> own_queries, own_grads;
    own_queries.load(tiles + warp * 16 * TILE_STRIDE);
    own_grads.load(tiles + (Rows + warp * 16) * TILE_STRIDE);
    __syncthreads();

    const auto load_stage = [&](bf16 *stage, int tile) {
        load_rows<Keys, Threads>(stage, key_base + tile * a.key_value_stride, a.key_value_stride, segment.key_count - tile);
        load_rows<Keys, Threads>(
            stage + Keys * TILE_STRIDE, value_base + tile * a.key_value_stride, a.key_value_stride, segment.key_count - tile);
        end_copies();
    };
    float grad_queries[2 * Depth][4] = {};
    const float to_powers = a.scale * LOG2_E;
    int stage = 0;
    if (Stages > 1) {
        load_stage(stages, begin);
    }
    for (int tile = begin; tile < end; tile += Keys, stage = Stages > 1 ? 1 - stage : 0) {
        if (Stages > 1) {
            wait_copies<0>();
            __syncthreads();
            if (tile + Keys < end) {
                load_stage(stages + (1 - stage) * StageElements, tile + Keys);
            }
        } else {
            __syncthreads();
            load_stage(stages, tile);
            wait_copies<0>();
            __syncthreads();
        }
        const bf16 *keys = stages + stage * StageElements, *values = keys + Keys * TILE_STRIDE;
        if (warp_row > last_row) {
            continue;
        }
#pragma unroll 1
        for (int chunk = 0; chunk < Keys; chunk += 16) {
            const int key = tile + chunk;
            if (key > warp_last) {
                break;
            }
            if (key + 15 < first_visible(warp_first, window)) {
                continue;
            }
            float p[2][4] = {}, ds[2][4] = {};
#pragma unroll
            for (int k = 0; k < Depth; k++) {
                multiply_add(p[0], p[1], own_queries.at(k), load_b_of_rows(keys + chunk * TILE_STRIDE + k * 16, TILE_STRIDE));
                multiply_add(ds[0], ds[1], own_grads.at(k), load_b_of_rows(values + chunk * TILE_STRIDE + k * 16, TILE_STRIDE));
            }
            const bool edge = key + 15 > warp_first || key < first_visible(warp_last, window);
#pragma unroll
            for (int n = 0; n < 2; n++) {
#pragma unroll
                for (int c = 0; c < 4; c++) {
                    float probability = power_of_two(fmaf(p[n][c], to_powers, -log_sum[c >> 1]));
                    if (edge) {
                        int at = key + n * 8 + (lane & 3) * 2 + (c & 1);
                        probability = at <= position[c >> 1] && at > position[c >> 1] - window ? probability : 0.0f;
                    }
                    ds[n][c] = probability * (ds[n][c] - delta[c >> 1]);
                }
            }
            const FragmentA ds_a = as_a(ds[0], ds[1]);
#pragma unroll
            for (int n = 0; n < Depth; n++) {
                multiply_add(
                    grad_queries[2 * n], grad_queries[2 * n + 1], ds_a,
                    load_b_of_columns(keys + chunk * TILE_STRIDE + n * 16, TILE_STRIDE));
            }
        }
    }

    wait_copies<0>();
    __syncthreads();
    bf16 *result = tiles + warp * 16 * TILE_STRIDE;
#pragma unroll
    for (int n = 0; n < 2 * Depth; n++) {
        put_fragment(result, n * 8, grad_queries[n], a.scale, a.scale);
    }
    __syncwarp();
    const PackedHeads<bf16> target = {
        (bf16 *)a.grad_queries + start * a.grad_stride + head_offset, a.grad_stride, a.group_reciprocal, a.group};
    store_rows(result, 16, HEAD_DIM, [&](int row) { return warp_row + row <= last_row ? target.row(warp_row + row) : (bf16 *)0; });
}
