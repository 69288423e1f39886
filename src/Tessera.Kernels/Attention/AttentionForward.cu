// Attention of sequences with several queries, bf16: products on tensor cores, online softmax in f32 registers.
// A block owns 128 rows (64 beyond 128 elements) of one key-value head's queries and walks over the keys they see in tiles of 64.
// While scores are computed the values are on their way, and while values are summed the next keys are.
// Schedule: Dao 2023 (FlashAttention-2). Defines: HEAD_DIM, VECTOR_BYTES.
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=200 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=10 -DVECTOR_BYTES=4
#include "attention_tiles.cuh"

constexpr int Threads = 128;
constexpr int Blocks16 = PADDED <= 128 ? 2 : 1; // Blocks of 16 rows that a warp owns.
constexpr int WarpRows = 16 * Blocks16;
constexpr int Rows = 4 * WarpRows;
constexpr int Keys = PAGE_POSITIONS;
constexpr int Depth = PADDED / 16;

extern "C" __global__ void __launch_bounds__(Threads, 2) attention_forward(const __grid_constant__ AttentionForwardArguments a) {
    extern __shared__ __align__(16) unsigned char room[];
    bf16 *queries = reinterpret_cast<bf16 *>(room), *keys = queries + Rows * TILE_STRIDE, *values = keys + Keys * TILE_STRIDE;
    int2 found;
    if (!find_tile<Threads>(a.segments, a.segment_count, a.least_queries, a.group, Rows, true, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int window = window_of(a.window), prefix = segment.key_count - segment.query_count;
    const int first_row = found.y * Rows, rows = segment.query_count * a.group;
    const int last_row = min(first_row + Rows, rows) - 1;
    const int end = prefix + query_of(last_row, a.group_reciprocal) + 1;
    const int begin = first_visible(prefix + query_of(first_row, a.group_reciprocal), window) / Keys * Keys;

    const long head_offset = (long)kv_head * a.group * HEAD_DIM;
    const PackedHeads<const bf16> query_heads = {
        (const bf16 *)a.queries + segment.query_start * a.query_stride + head_offset, a.query_stride, a.group_reciprocal, a.group};
    const bf16 *key_base = (const bf16 *)a.keys + kv_head * HEAD_DIM;
    const bf16 *value_base = (const bf16 *)a.values + kv_head * HEAD_DIM;

    // Positions of this lane's rows; of the whole warp's first and last.
    const int warp_row = first_row + warp * WarpRows;
    int position[Blocks16][2];
#pragma unroll
    for (int m = 0; m < Blocks16; m++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            position[m][h] = prefix + query_of(warp_row + m * 16 + h * 8 + (lane >> 2), a.group_reciprocal);
        }
    }
    const int warp_first = prefix + query_of(warp_row, a.group_reciprocal);
    const int warp_last = prefix + query_of(min(warp_row + WarpRows - 1, last_row), a.group_reciprocal);
    const bool warp_has_rows = warp_row <= last_row;

    float sums[Blocks16][2 * Depth][4] = {};
    float maximum[Blocks16][2], total[Blocks16][2];
#pragma unroll
    for (int m = 0; m < Blocks16; m++) {
        maximum[m][0] = maximum[m][1] = -INFINITY;
        total[m][0] = total[m][1] = 0.0f;
    }
    const float to_powers = a.scale * LOG2_E;

    load_heads<Rows, Threads>(queries, query_heads, first_row, rows);
    long tile_row = row_of(segment, begin);
    load_rows<Keys, Threads>(keys, key_base + tile_row * a.key_value_stride, a.key_value_stride, segment.key_count - begin);
    end_copies();
    for (int tile = begin; tile < end; tile += Keys) {
        wait_copies<0>();
        __syncthreads();
        load_rows<Keys, Threads>(values, value_base + tile_row * a.key_value_stride, a.key_value_stride, segment.key_count - tile);
        end_copies();
        tile_row = tile + Keys < end ? row_of(segment, tile + Keys) : 0;

        // A tile that none of the warp's rows sees would change no bit.
        const bool active = warp_has_rows && tile <= warp_last && tile + Keys > first_visible(warp_first, window);
        float scores[Blocks16][Keys / 8][4] = {};
        if (active) {
#pragma unroll
            for (int k = 0; k < Depth; k++) {
                FragmentA q[Blocks16];
#pragma unroll
                for (int m = 0; m < Blocks16; m++) {
                    q[m] = load_a(queries + (warp * WarpRows + m * 16) * TILE_STRIDE + k * 16, TILE_STRIDE);
                }
#pragma unroll
                for (int n = 0; n < Keys / 16; n++) {
                    FragmentB2 b = load_b_of_rows(keys + n * 16 * TILE_STRIDE + k * 16, TILE_STRIDE);
#pragma unroll
                    for (int m = 0; m < Blocks16; m++) {
                        multiply_add(scores[m][2 * n], scores[m][2 * n + 1], q[m], b);
                    }
                }
            }
        }
        wait_copies<0>();
        __syncthreads();
        if (tile + Keys < end) {
            load_rows<Keys, Threads>(
                keys, key_base + tile_row * a.key_value_stride, a.key_value_stride, segment.key_count - tile - Keys);
            end_copies();
        }
        if (!active) {
            continue;
        }

        const bool edge = tile + Keys - 1 > warp_first || tile < first_visible(warp_last, window);
        FragmentA p[Blocks16][Keys / 16];
#pragma unroll
        for (int m = 0; m < Blocks16; m++) {
            if (edge) {
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        int key = tile + n * 8 + (lane & 3) * 2 + (c & 1), at = position[m][c >> 1];
                        scores[m][n][c] = key <= at && key > at - window ? scores[m][n][c] : -INFINITY;
                    }
                }
            }
            float rescale[2];
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float highest = maximum[m][h];
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
                    highest = fmaxf(highest, fmaxf(scores[m][n][2 * h], scores[m][n][2 * h + 1]));
                }
                highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 1));
                highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 2));
                float shift = highest == -INFINITY ? 0.0f : highest * to_powers;
                rescale[h] = power_of_two(maximum[m][h] * to_powers - shift);
                maximum[m][h] = highest;
                float sum = 0.0f;
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
                    for (int c = 2 * h; c < 2 * h + 2; c++) {
                        scores[m][n][c] = power_of_two(fmaf(scores[m][n][c], to_powers, -shift));
                        sum += scores[m][n][c];
                    }
                }
                total[m][h] = fmaf(total[m][h], rescale[h], sum);
            }
            // Most tiles move no row's maximum, and a factor of 1 would change nothing.
            if (__any_sync(0xffffffffu, rescale[0] != 1.0f || rescale[1] != 1.0f)) {
#pragma unroll
                for (int n = 0; n < 2 * Depth; n++) {
                    for (int c = 0; c < 4; c++) {
                        sums[m][n][c] *= rescale[c >> 1];
                    }
                }
            }
#pragma unroll
            for (int k = 0; k < Keys / 16; k++) {
                p[m][k] = as_a(scores[m][2 * k], scores[m][2 * k + 1]);
            }
        }
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
#pragma unroll
            for (int n = 0; n < Depth; n++) {
                FragmentB2 b = load_b_of_columns(values + k * 16 * TILE_STRIDE + n * 16, TILE_STRIDE);
#pragma unroll
                for (int m = 0; m < Blocks16; m++) {
                    multiply_add(sums[m][2 * n], sums[m][2 * n + 1], p[m][k], b);
                }
            }
        }
    }

    // Every warp reads its own rows of the queries only, so their room takes its output.
    bf16 *result = queries + warp * WarpRows * TILE_STRIDE;
    __syncwarp();
#pragma unroll
    for (int m = 0; m < Blocks16; m++) {
        float inverse[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float sum = total[m][h];
            sum += __shfl_xor_sync(0xffffffffu, sum, 1);
            sum += __shfl_xor_sync(0xffffffffu, sum, 2);
            inverse[h] = 1.0f / sum;
            int row = warp_row + m * 16 + h * 8 + (lane >> 2);
            if (a.log_sum_exp != 0 && (lane & 3) == 0 && row <= last_row) {
                int query = query_of(row, a.group_reciprocal), head = kv_head * a.group + row - query * a.group;
                a.log_sum_exp[(segment.query_start + query) * (long)a.heads + head] = maximum[m][h] * a.scale + logf(sum);
            }
        }
#pragma unroll
        for (int n = 0; n < 2 * Depth; n++) {
            put_fragment(result + m * 16 * TILE_STRIDE, n * 8, sums[m][n], inverse[0], inverse[1]);
        }
    }
    __syncwarp();
    const PackedHeads<bf16> output_heads = {
        (bf16 *)a.output + segment.query_start * a.output_stride + head_offset, a.output_stride, a.group_reciprocal, a.group};
    store_rows(result, WarpRows, HEAD_DIM, [&](int row) { return warp_row + row <= last_row ? output_heads.row(warp_row + row) : (bf16 *)0; });
}
