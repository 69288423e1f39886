// Attention of sequences with several queries, bf16, on the tensor cores of sm_90a. A block owns 128 rows of one key-value head's
// queries, 64 a warpgroup, and walks over the keys they see in tiles of 128 (64 where two blocks share a multiprocessor, and beyond
// 128 elements). While a tile's values are multiplied, the scores
// of the next become probabilities: products run beside the threads.
// Schedule: Shah et al. 2024 (FlashAttention-3), section 3.2, with plain copies. Defines: HEAD_DIM, VECTOR_BYTES (16).
// variant: -DHEAD_DIM=64 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=96 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=256 -DVECTOR_BYTES=16
#define WARPGROUPS 2
#include "attention_warpgroups.cuh"

constexpr int Rows = 64 * WARPGROUPS;
constexpr int Keys = PANEL_WIDTH == 128 ? 128 : 64;
constexpr int Blocks = PANEL_WIDTH == 64 ? 2 : 1; // Of a multiprocessor.
constexpr int Depth = PANEL_WIDTH / 16;
constexpr int Halves = PANEL_WIDTH == 256 ? 2 : 1;         // Of the output: a product is at most 128 wide.
constexpr int Width = PANEL_WIDTH / 8 / Halves;
constexpr int QueryBytes = PANEL_WIDTH / 64 * PANEL_BYTES(Rows);
constexpr int TileBytes = PANEL_WIDTH / 64 * PANEL_BYTES(Keys);

extern "C" __global__ void __launch_bounds__(GroupThreads, Blocks) attention_forward_hopper(const __grid_constant__ AttentionForwardArguments a) {
    extern __shared__ __align__(1024) unsigned char room[];
    unsigned char *queries = room, *keys = room + QueryBytes, *values = keys + 2 * TileBytes; // Two tiles each of keys and values.
    int2 found;
    if (!find_tile<GroupThreads>(a.segments, a.segment_count, a.least_queries, a.group, Rows, true, found)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int kv_head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warpgroup = threadIdx.x >> 7;
    const int window = window_of(a.window), prefix = segment.key_count - segment.query_count;
    const int first_row = found.y * Rows, rows = segment.query_count * a.group;
    const int last_row = min(first_row + Rows, rows) - 1;
    const int end = prefix + query_of(last_row, a.group_reciprocal) + 1;
    const int begin = first_visible(prefix + query_of(first_row, a.group_reciprocal), window) / Keys * Keys;
    const long head_offset = (long)kv_head * a.group * HEAD_DIM;
    const PackedHeads<const bf16> query_heads = {
        (const bf16 *)a.queries + segment.query_start * a.query_stride + head_offset, a.query_stride, a.group_reciprocal, a.group};
    const int warp_row = first_row + warp * 16;
    const int warp_first = prefix + query_of(warp_row, a.group_reciprocal);
    const int warp_last = prefix + query_of(min(warp_row + 15, last_row), a.group_reciprocal);
    const float to_powers = a.scale * LOG2_E;

    // A tile of keys or values is two pages at most.
    const auto load_tile = [&](unsigned char *tile, const void *base, int position) {
#pragma unroll
        for (int half = 0; half < Keys; half += PAGE_POSITIONS) {
            int count = segment.key_count - position - half;
            long row = row_of(segment, count > 0 ? position + half : position);
            load_panels<Keys, PAGE_POSITIONS>(
                tile, half, (const bf16 *)base + row * a.key_value_stride + kv_head * HEAD_DIM, a.key_value_stride, count);
        }
    };

    float scores[Keys / 8][4], sums[Halves][Width][4] = {};
    float maximum[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f}, rescale[2];
    FragmentA p[Keys / 16];
    const auto score = [&](int tile) {
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(
                scores, by_columns<Rows>(queries, warpgroup * 64, k), by_columns<Keys>(keys + (tile & 1) * TileBytes, 0, k), k > 0);
        }
        end_products();
    };
    const auto add_values = [&](int tile) {
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
#pragma unroll
            for (int half = 0; half < Halves; half++) {
                multiply_registers(
                    sums[half], p[k], by_rows<Keys>(values + (tile & 1) * TileBytes, half * 2, k), true);
            }
        }
        end_products();
    };
    // Scores become probabilities against the new maximum; what was summed so far is to be multiplied by `rescale`.
    const auto soften = [&](int tile) {
        const int first = begin + tile * Keys;
        if (first + Keys - 1 > warp_first || first < first_visible(warp_last, window)) {
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int position = prefix + query_of(warp_row + h * 8 + (lane >> 2), a.group_reciprocal);
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        int key = first + n * 8 + (lane & 3) * 2 + c;
                        scores[n][2 * h + c] = key <= position && key > position - window ? scores[n][2 * h + c] : -INFINITY;
                    }
                }
            }
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float highest = maximum[h];
#pragma unroll
            for (int n = 0; n < Keys / 8; n++) {
                highest = fmaxf(highest, fmaxf(scores[n][2 * h], scores[n][2 * h + 1]));
            }
            highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 1));
            highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 2));
            float shift = highest == -INFINITY ? 0.0f : highest * to_powers;
            rescale[h] = power_of_two(maximum[h] * to_powers - shift);
            maximum[h] = highest;
            float sum = 0.0f;
#pragma unroll
            for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
                for (int c = 2 * h; c < 2 * h + 2; c++) {
                    scores[n][c] = power_of_two(fmaf(scores[n][c], to_powers, -shift));
                    sum += scores[n][c];
                }
            }
            total[h] = fmaf(total[h], rescale[h], sum);
        }
    };
    const auto pass_on = [&]() {
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
            p[k] = as_a(scores[2 * k], scores[2 * k + 1]);
        }
    };

    const int tiles = (end - begin + Keys - 1) / Keys;
    load_head_panels<Rows>(queries, query_heads, first_row, rows);
    load_tile(keys, a.keys, begin);
    end_copies();
    load_tile(values, a.values, begin);
    if (tiles > 1) {
        load_tile(keys + TileBytes, a.keys, begin + Keys);
    }
    end_copies();
    wait_copies<1>();
    show_to_tensor_cores();
    __syncthreads();
    begin_products();
    score(0);
    wait_products<0>();
    hold(scores);
    soften(0);
    pass_on();
    for (int tile = 0; tile + 1 < tiles; tile++) {
        // Values of this tile and keys of the next are there; keys of this tile and values of the last have been used by all.
        wait_copies<0>();
        show_to_tensor_cores();
        __syncthreads();
        if (tile + 2 < tiles) {
            load_tile(keys + (tile & 1) * TileBytes, a.keys, begin + (tile + 2) * Keys);
        }
        load_tile(values + ((tile + 1) & 1) * TileBytes, a.values, begin + (tile + 1) * Keys);
        end_copies();
        hold(scores);
        begin_products();
        score(tile + 1);
        add_values(tile);
        wait_products<1>();
        hold(scores);
        soften(tile + 1);
        wait_products<0>();
#pragma unroll
        for (int half = 0; half < Halves; half++) {
            hold(sums[half]);
        }
        // Most tiles move no row's maximum, and a factor of 1 would change nothing.
        if (__any_sync(0xffffffffu, rescale[0] != 1.0f || rescale[1] != 1.0f)) {
#pragma unroll
            for (int half = 0; half < Halves; half++) {
#pragma unroll
                for (int n = 0; n < Width; n++) {
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        sums[half][n][c] *= rescale[c >> 1];
                    }
                }
            }
        }
        pass_on();
    }
    wait_copies<0>();
    show_to_tensor_cores();
    __syncthreads();
    begin_products();
    add_values(tiles - 1);
    wait_products<0>();
    __syncthreads();

    float inverse[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float sum = total[h];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        inverse[h] = 1.0f / sum;
        int row = warp_row + h * 8 + (lane >> 2);
        if (a.log_sum_exp != 0 && (lane & 3) == 0 && row <= last_row) {
            int query = query_of(row, a.group_reciprocal), head = kv_head * a.group + row - query * a.group;
            a.log_sum_exp[(segment.query_start + query) * (long)a.heads + head] = maximum[h] * a.scale + logf(sum);
        }
    }
    const PackedHeads<bf16> output_heads = {
        (bf16 *)a.output + segment.query_start * a.output_stride + head_offset, a.output_stride, a.group_reciprocal, a.group};
    bf16 *result = reinterpret_cast<bf16 *>(room) + warp * 16 * ResultStride;
    const auto target = [&](int row) { return warp_row + row <= last_row ? output_heads.row(warp_row + row) : (bf16 *)0; };
    if constexpr (Halves == 1) {
        store_panels(result, sums[0], inverse[0], inverse[1], target);
    } else {
        float joined[2 * Width][4];
#pragma unroll
        for (int n = 0; n < 2 * Width; n++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                joined[n][c] = sums[n / Width][n % Width][c];
            }
        }
        store_panels(result, joined, inverse[0], inverse[1], target);
    }
}
