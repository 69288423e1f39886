// Gradient of queries, bf16, on the tensor cores of sm_90a. A block owns 128 rows of one key-value head's queries, 64 a warpgroup,
// and walks over the keys that they see: S = Q·Kᵀ, dP = dO·Vᵀ, then dQ += dS·K with dS passed on in registers. While a step's
// gradient is summed, the scores of the next become probabilities.
// Formulas: Dao et al. 2022, section B.2. Defines: HEAD_DIM, VECTOR_BYTES (16).
// variant: -DHEAD_DIM=64 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
#define WARPGROUPS 2
#include "attention_warpgroups.cuh"

constexpr int Rows = 128;
constexpr int Keys = 64;
constexpr int Stages = 4; // Scores of one, gradients of the one before, two on their way.
constexpr int Depth = PANEL_WIDTH / 16;
constexpr int Width = PANEL_WIDTH / 8;
constexpr int OwnBytes = PANEL_WIDTH / 64 * PANEL_BYTES(Rows);
constexpr int TileBytes = PANEL_WIDTH / 64 * PANEL_BYTES(Keys);

extern "C" __global__ void __launch_bounds__(GroupThreads, 1) attention_backward_queries_hopper(const __grid_constant__ AttentionBackwardArguments a) {
    extern __shared__ __align__(1024) unsigned char room[];
    unsigned char *own_queries = room, *own_grads = room + OwnBytes, *stages = room + 2 * OwnBytes;
    int2 found;
    if (!find_tile<GroupThreads>(a.segments, a.segment_count, 1, a.group, Rows, true, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warpgroup = threadIdx.x >> 7;
    const int window = window_of(a.window);
    const int first_row = found.y * Rows, rows = segment.query_count * a.group, last_row = min(first_row + Rows, rows) - 1;
    const int end = query_of(last_row, a.group_reciprocal) + 1;
    const int begin = first_visible(query_of(first_row, a.group_reciprocal), window) / Keys * Keys;
    const int steps = (end - begin + Keys - 1) / Keys;
    const long start = segment.query_start, head_offset = (long)kv_head * a.group * HEAD_DIM;
    const PackedHeads<const bf16> queries = {
        (const bf16 *)a.queries + start * a.query_stride + head_offset, a.query_stride, a.group_reciprocal, a.group};
    const PackedHeads<const bf16> grads = {
        (const bf16 *)a.grad_output + start * a.output_stride + head_offset, a.output_stride, a.group_reciprocal, a.group};
    const long source = (segment.key_start + begin) * a.key_value_stride + kv_head * HEAD_DIM;
    const bf16 *key_base = (const bf16 *)a.keys + source, *value_base = (const bf16 *)a.values + source;

    const auto load_stage = [&](int step) {
        if (step < steps) {
            unsigned char *tiles = stages + step % Stages * 2 * TileBytes;
            const long offset = step * Keys * a.key_value_stride;
            const int count = segment.key_count - begin - step * Keys;
            load_panels<Keys, Keys>(tiles, 0, key_base + offset, a.key_value_stride, count);
            load_panels<Keys, Keys>(tiles + TileBytes, 0, value_base + offset, a.key_value_stride, count);
        }
        end_copies();
    };

    load_head_panels<Rows>(own_queries, queries, first_row, rows);
    load_head_panels<Rows>(own_grads, grads, first_row, rows);
    load_stage(0);
    load_stage(1);
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
    const int warp_first = query_of(min(warp_row, last_row), a.group_reciprocal);
    const int warp_last = query_of(min(warp_row + 15, last_row), a.group_reciprocal);
    const float to_powers = a.scale * LOG2_E;

    float grad_queries[Width][4] = {}, p[Keys / 8][4], ds[Keys / 8][4];
    FragmentA ds_a[Keys / 16];
    const auto score = [&](int step) {
        const unsigned char *key_tile = stages + step % Stages * 2 * TileBytes, *value_tile = key_tile + TileBytes;
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(p, by_columns<Rows>(own_queries, warpgroup * 64, k), by_columns<Keys>(key_tile, 0, k), k > 0);
        }
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(ds, by_columns<Rows>(own_grads, warpgroup * 64, k), by_columns<Keys>(value_tile, 0, k), k > 0);
        }
        end_products();
    };
    const auto add = [&](int step) {
        const unsigned char *key_tile = stages + step % Stages * 2 * TileBytes;
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
            multiply_registers(grad_queries, ds_a[k], by_rows<Keys>(key_tile, 0, k), true);
        }
        end_products();
    };
    // Scores become probabilities, and the gradients of probabilities those of scores.
    const auto soften = [&](int step) {
        const int key = begin + step * Keys;
        const bool edge = key + Keys - 1 > warp_first || key < first_visible(warp_last, window);
#pragma unroll
        for (int n = 0; n < Keys / 8; n++) {
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
    };
    const auto pass_on = [&]() {
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
            ds_a[k] = as_a(ds[2 * k], ds[2 * k + 1]);
        }
    };
    const auto arrive = [&](int step) {
        wait_copies<1>();
        show_to_tensor_cores();
        __syncthreads();
        load_stage(step + 2);
        begin_products();
    };

    arrive(0);
    score(0);
    wait_products<0>();
    hold(p);
    hold(ds);
    soften(0);
    pass_on();
    for (int step = 1; step < steps; step++) {
        arrive(step);
        score(step);
        add(step - 1);
        wait_products<1>();
        hold(p);
        hold(ds);
        soften(step);
        wait_products<0>();
        hold(grad_queries);
        pass_on();
    }
    begin_products();
    add(steps - 1);
    wait_products<0>();
    hold(grad_queries);
    wait_copies<0>();
    __syncthreads();

    const PackedHeads<bf16> heads = {
        (bf16 *)a.grad_queries + start * a.grad_stride + head_offset, a.grad_stride, a.group_reciprocal, a.group};
    store_panels(reinterpret_cast<bf16 *>(room) + warp * 16 * ResultStride, grad_queries, a.scale, a.scale, [&](int row) {
        return warp_row + row <= last_row ? heads.row(warp_row + row) : (bf16 *)0;
    });
}
