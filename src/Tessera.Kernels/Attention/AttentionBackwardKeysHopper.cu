// Gradients of keys and values, bf16, on the tensor cores of sm_90a. A block owns 128 keys of one key-value head, 64 a warpgroup, and
// walks over the rows that see them, in the order of queries and of the group's heads: Sᵀ = K·Qᵀ, dPᵀ = V·dOᵀ, then dV += Pᵀ·dO and
// dK += dSᵀ·Q with Pᵀ and dSᵀ passed on in registers. What one warpgroup computes between its products runs beside the other's products.
// Formulas: Dao et al. 2022, section B.2. Defines: HEAD_DIM, VECTOR_BYTES (16).
// variant: -DHEAD_DIM=64 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
#define WARPGROUPS 2
#include "attention_warpgroups.cuh"

constexpr int Keys = 128;
constexpr int Rows = 64;
constexpr int Stages = 3; // One in use, two on their way.
constexpr int Depth = PANEL_WIDTH / 16;
constexpr int Width = PANEL_WIDTH / 8;
constexpr int OwnBytes = PANEL_WIDTH / 64 * PANEL_BYTES(Keys);
constexpr int TileBytes = PANEL_WIDTH / 64 * PANEL_BYTES(Rows);

extern "C" __global__ void __launch_bounds__(GroupThreads, 1) attention_backward_keys_hopper(const __grid_constant__ AttentionBackwardArguments a) {
    extern __shared__ __align__(1024) unsigned char room[];
    unsigned char *own_keys = room, *own_values = room + OwnBytes, *stages = room + 2 * OwnBytes;
    float *statistics = reinterpret_cast<float *>(stages + Stages * 2 * TileBytes);
    int2 found;
    if (!find_tile<GroupThreads>(a.segments, a.segment_count, 1, 1, Keys, false, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warpgroup = threadIdx.x >> 7;
    const int window = window_of(a.window), rows = segment.query_count * a.group;
    const int first_key = found.y * Keys, group_key = first_key + warpgroup * 64, warp_key = first_key + warp * 16;
    const long start = segment.query_start, head_offset = (long)kv_head * a.group * HEAD_DIM;
    const PackedHeads<const bf16> queries = {
        (const bf16 *)a.queries + start * a.query_stride + head_offset, a.query_stride, a.group_reciprocal, a.group};
    const PackedHeads<const bf16> grads = {
        (const bf16 *)a.grad_output + start * a.output_stride + head_offset, a.output_stride, a.group_reciprocal, a.group};
    const int first_row = first_key * a.group / Rows * Rows;
    const int end_row = min(segment.query_count, first_key + Keys - 1 + window) * a.group;
    const int steps = (end_row - first_row + Rows - 1) / Rows;
    const float to_powers = a.scale * LOG2_E;

    const auto load_stage = [&](int step) {
        unsigned char *tiles = stages + step % Stages * 2 * TileBytes;
        const int first = first_row + step * Rows;
        if (step < steps) {
            load_head_panels<Rows>(tiles, queries, first, rows);
            load_head_panels<Rows>(tiles + TileBytes, grads, first, rows);
            if (threadIdx.x < 2 * Rows) {
                int row = min(first + (int)threadIdx.x % Rows, rows - 1), query = query_of(row, a.group_reciprocal);
                long at = (start + query) * a.heads + kv_head * a.group + row - query * a.group;
                copy_async<4>(
                    statistics + step % Stages * 2 * Rows + threadIdx.x, (threadIdx.x < Rows ? a.log_sum_exp : a.delta) + at, true);
            }
        }
        end_copies();
    };

    const long source = (segment.key_start + first_key) * a.key_value_stride + kv_head * HEAD_DIM;
    load_panels<Keys, Keys>(own_keys, 0, (const bf16 *)a.keys + source, a.key_value_stride, segment.key_count - first_key);
    load_panels<Keys, Keys>(own_values, 0, (const bf16 *)a.values + source, a.key_value_stride, segment.key_count - first_key);
    load_stage(0);
    load_stage(1);
    float grad_keys[Width][4] = {}, grad_values[Width][4] = {}, p[Rows / 8][4], ds[Rows / 8][4];
    FragmentA p_a[Rows / 16], ds_a[Rows / 16];
    for (int step = 0; step < steps; step++) {
        wait_copies<1>();
        show_to_tensor_cores();
        __syncthreads();
        load_stage(step + 2);
        const unsigned char *query_tile = stages + step % Stages * 2 * TileBytes, *grad_tile = query_tile + TileBytes;
        const float *log_sums = statistics + step % Stages * 2 * Rows, *deltas = log_sums + Rows;
        const int row = first_row + step * Rows;
        const int first = query_of(row, a.group_reciprocal), last = query_of(min(row + Rows, rows) - 1, a.group_reciprocal);
        if (group_key > last || group_key + 63 < first_visible(first, window)) {
            continue;
        }
        begin_products();
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(p, by_columns<Keys>(own_keys, warpgroup * 64, k), by_columns<Rows>(query_tile, 0, k), k > 0);
        }
        end_products();
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(ds, by_columns<Keys>(own_values, warpgroup * 64, k), by_columns<Rows>(grad_tile, 0, k), k > 0);
        }
        end_products();
        wait_products<1>();
        hold(p);
        const bool edge = warp_key + 15 > first || warp_key < first_visible(last, window) || row + Rows > rows;
#pragma unroll
        for (int n = 0; n < Rows / 8; n++) {
            const int at = n * 8 + (lane & 3) * 2;
            const float2 log_sum = *reinterpret_cast<const float2 *>(log_sums + at);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                float probability = power_of_two(fmaf(p[n][c], to_powers, -LOG2_E * (c & 1 ? log_sum.y : log_sum.x)));
                if (edge) {
                    int r = row + at + (c & 1), position = query_of(r, a.group_reciprocal);
                    int key = warp_key + (lane >> 2) + (c >> 1) * 8;
                    probability = r < rows && key <= position && key > position - window ? probability : 0.0f;
                }
                p[n][c] = probability;
            }
        }
        wait_products<0>();
        hold(ds);
#pragma unroll
        for (int n = 0; n < Rows / 8; n++) {
            const float2 delta = *reinterpret_cast<const float2 *>(deltas + n * 8 + (lane & 3) * 2);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                ds[n][c] = p[n][c] * (ds[n][c] - (c & 1 ? delta.y : delta.x));
            }
        }
#pragma unroll
        for (int k = 0; k < Rows / 16; k++) {
            p_a[k] = as_a(p[2 * k], p[2 * k + 1]);
            ds_a[k] = as_a(ds[2 * k], ds[2 * k + 1]);
        }
        begin_products();
#pragma unroll
        for (int k = 0; k < Rows / 16; k++) {
            multiply_registers(grad_values, p_a[k], by_rows<Rows>(grad_tile, 0, k), true);
            multiply_registers(grad_keys, ds_a[k], by_rows<Rows>(query_tile, 0, k), true);
        }
        end_products();
        wait_products<0>();
        hold(grad_keys);
        hold(grad_values);
    }
    wait_copies<0>();
    __syncthreads();

    bf16 *result = reinterpret_cast<bf16 *>(room) + warp * 16 * ResultStride;
    const long target = start * a.grad_stride + kv_head * HEAD_DIM;
    bf16 *keys_target = (bf16 *)a.grad_keys + target, *values_target = (bf16 *)a.grad_values + target;
    const auto row_of_key = [&](bf16 *base, int row) {
        return warp_key + row < segment.key_count ? base + (warp_key + row) * a.grad_stride : (bf16 *)0;
    };
    store_panels(result, grad_keys, a.scale, a.scale, [&](int row) { return row_of_key(keys_target, row); });
    store_panels(result, grad_values, 1.0f, 1.0f, [&](int row) { return row_of_key(values_target, row); });
}
