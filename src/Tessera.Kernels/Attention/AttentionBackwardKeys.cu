// Gradients of keys and values, bf16. A block owns 128 keys of one key-value head and walks over the rows that see them, in
// the order of queries and of the group's heads, so every sum has one owner and one order. Each warp owns 16 keys, whose keys and
// values stay in registers as A of its products (beyond 128 elements: in shared memory, with 64 keys a block):
// Sᵀ = K·Qᵀ, dPᵀ = V·dOᵀ, then dV += Pᵀ·dO and dK += dSᵀ·Q with Pᵀ and dSᵀ passed on in registers.
// Formulas: Dao et al. 2022, section B.2. Defines: HEAD_DIM, VECTOR_BYTES.
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=200 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=10 -DVECTOR_BYTES=4
#include "attention_tiles.cuh"

constexpr bool Held = PADDED <= 128;
constexpr int Warps = Held ? 8 : 4;
constexpr int Threads = 32 * Warps;
constexpr int Keys = 16 * Warps;
constexpr int Rows = Held ? 64 : 32;
constexpr int Stages = Held ? 2 : 1;
constexpr int Depth = PADDED / 16;
constexpr int Columns = PADDED <= 128 ? PADDED : 128; // Of the gradients; the next ones are another block's.
constexpr int Width = Columns / 16;
constexpr int StageElements = 2 * Rows * TILE_STRIDE;

// The rows of one key-value head in a sequence.
struct Walk {
    PackedHeads<const bf16> queries, grads;
    const float *log_sums, *deltas;
    long heads;
    int rows;

    // Starts copying Rows rows with their statistics.
    __device__ __forceinline__ void load(bf16 *tiles, float *statistics, int first) const {
        load_heads<Rows, Threads>(tiles, queries, first, rows);
        load_heads<Rows, Threads>(tiles + Rows * TILE_STRIDE, grads, first, rows);
        if (threadIdx.x < 2 * Rows) {
            int row = min(first + (int)threadIdx.x % Rows, rows - 1), query = query_of(row, queries.group_reciprocal);
            long at = query * heads + row - query * queries.group;
            copy_async<4>(statistics + threadIdx.x, (threadIdx.x < Rows ? log_sums : deltas) + at, true);
        }
    }
};

extern "C" __global__ void __launch_bounds__(Threads, 1) attention_backward_keys(const __grid_constant__ AttentionBackwardArguments a) {
    extern __shared__ __align__(16) unsigned char room[];
    bf16 *tiles = reinterpret_cast<bf16 *>(room), *stages = tiles + (Held ? 0 : 2 * Keys * TILE_STRIDE);
    float *statistics = reinterpret_cast<float *>(stages + Stages * StageElements);
    int2 found;
    if (!find_tile<Threads>(a.segments, a.segment_count, 1, 1, Keys, false, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int window = window_of(a.window);
    const int first_key = found.y * Keys, keys = min(Keys, segment.key_count - first_key);
    const long start = segment.query_start, head_offset = (long)kv_head * a.group * HEAD_DIM;
    const Walk walk = {
        {(const bf16 *)a.queries + start * a.query_stride + head_offset, a.query_stride, a.group_reciprocal, a.group},
        {(const bf16 *)a.grad_output + start * a.output_stride + head_offset, a.output_stride, a.group_reciprocal, a.group},
        a.log_sum_exp + start * a.heads + kv_head * a.group,
        a.delta + start * a.heads + kv_head * a.group,
        a.heads,
        segment.query_count * a.group};

    // K and V take the stages' room until they are in registers.
    const long source = (segment.key_start + first_key) * a.key_value_stride + kv_head * HEAD_DIM;
    load_rows<Keys, Threads>(tiles, (const bf16 *)a.keys + source, a.key_value_stride, keys);
    load_rows<Keys, Threads>(tiles + Keys * TILE_STRIDE, (const bf16 *)a.values + source, a.key_value_stride, keys);
    end_copies();
    wait_copies<0>();
    __syncthreads();
    RowsOfA<Held> own_keys, own_values;
    own_keys.load(tiles + warp * 16 * TILE_STRIDE);
    own_values.load(tiles + (Keys + warp * 16) * TILE_STRIDE);
    __syncthreads();

    float grad_keys[2 * Width][4] = {}, grad_values[2 * Width][4] = {};
    const int column = blockIdx.z * Columns;
    const int warp_key = first_key + warp * 16;
    const float to_powers = a.scale * LOG2_E;
    const int first_row = first_key * a.group / Rows * Rows;
    const int end_row = min(segment.query_count, first_key + Keys - 1 + window) * a.group;
    int stage = 0;
    if (Stages > 1) {
        walk.load(stages, statistics, first_row);
        end_copies();
    }
    for (int step = first_row; step < end_row; step += Rows, stage = Stages > 1 ? 1 - stage : 0) {
        if (Stages > 1) {
            wait_copies<0>();
            __syncthreads();
            if (step + Rows < end_row) {
                walk.load(stages + (1 - stage) * StageElements, statistics + (1 - stage) * 2 * Rows, step + Rows);
                end_copies();
            }
        } else {
            __syncthreads();
            walk.load(stages, statistics, step);
            end_copies();
            wait_copies<0>();
            __syncthreads();
        }
        const bf16 *queries = stages + stage * StageElements, *grads = queries + Rows * TILE_STRIDE;
        const float *log_sums = statistics + stage * 2 * Rows, *deltas = log_sums + Rows;
#pragma unroll 1
        for (int chunk = 0; chunk < Rows; chunk += 16) {
            const int row = step + chunk;
            if (row >= walk.rows) {
                break;
            }
            const int first = query_of(row, a.group_reciprocal), last = query_of(min(row + 15, walk.rows - 1), a.group_reciprocal);
            if (warp_key > last || warp_key + 15 < first_visible(first, window)) {
                continue;
            }
            float p[2][4] = {}, ds[2][4] = {};
#pragma unroll
            for (int k = 0; k < Depth; k++) {
                multiply_add(p[0], p[1], own_keys.at(k), load_b_of_rows(queries + chunk * TILE_STRIDE + k * 16, TILE_STRIDE));
                multiply_add(ds[0], ds[1], own_values.at(k), load_b_of_rows(grads + chunk * TILE_STRIDE + k * 16, TILE_STRIDE));
            }
            const bool edge = warp_key + 15 > first || warp_key < first_visible(last, window) || row + 16 > walk.rows;
#pragma unroll
            for (int n = 0; n < 2; n++) {
                const int at = chunk + n * 8 + (lane & 3) * 2;
                const float2 log_sum = *reinterpret_cast<const float2 *>(log_sums + at);
                const float2 delta = *reinterpret_cast<const float2 *>(deltas + at);
#pragma unroll
                for (int c = 0; c < 4; c++) {
                    float probability = power_of_two(fmaf(p[n][c], to_powers, -LOG2_E * (c & 1 ? log_sum.y : log_sum.x)));
                    if (edge) {
                        int r = step + at + (c & 1), position = query_of(r, a.group_reciprocal);
                        int key = warp_key + (lane >> 2) + (c >> 1) * 8;
                        probability = r < walk.rows && key <= position && key > position - window ? probability : 0.0f;
                    }
                    p[n][c] = probability;
                    ds[n][c] = probability * (ds[n][c] - (c & 1 ? delta.y : delta.x));
                }
            }
            const FragmentA p_a = as_a(p[0], p[1]), ds_a = as_a(ds[0], ds[1]);
#pragma unroll
            for (int n = 0; n < Width; n++) {
                if (PADDED % Columns == 0 || column + n * 16 < PADDED) {
                    const int at = chunk * TILE_STRIDE + column + n * 16;
                    multiply_add(grad_values[2 * n], grad_values[2 * n + 1], p_a, load_b_of_columns(grads + at, TILE_STRIDE));
                    multiply_add(grad_keys[2 * n], grad_keys[2 * n + 1], ds_a, load_b_of_columns(queries + at, TILE_STRIDE));
                }
            }
        }
    }

    wait_copies<0>();
    __syncthreads();
    bf16 *result = tiles + warp * 16 * TILE_STRIDE;
    const int columns = min(Columns, HEAD_DIM - column);
    const long target = start * a.grad_stride + kv_head * HEAD_DIM + column;
    bf16 *keys_target = (bf16 *)a.grad_keys + target, *values_target = (bf16 *)a.grad_values + target;
#pragma unroll
    for (int n = 0; n < 2 * Width; n++) {
        put_fragment(result, n * 8, grad_keys[n], a.scale, a.scale);
    }
    __syncwarp();
    store_rows(result, 16, columns, [&](int row) {
        return warp_key + row < segment.key_count ? keys_target + (warp_key + row) * a.grad_stride : (bf16 *)0;
    });
    __syncwarp();
#pragma unroll
    for (int n = 0; n < 2 * Width; n++) {
        put_fragment(result, n * 8, grad_values[n], 1.0f, 1.0f);
    }
    __syncwarp();
    store_rows(result, 16, columns, [&](int row) {
        return warp_key + row < segment.key_count ? values_target + (warp_key + row) * a.grad_stride : (bf16 *)0;
    });
}
