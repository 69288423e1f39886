// Attention of sequences with one query, bf16 over a bf16 cache. A block owns the query heads of one key-value head (16 of them
// at a time) and 256 keys; in every tile of 64 keys each of its four warps takes 16, with a maximum and a sum of its own, and the four
// are put together at the end. Several blocks a multiprocessor hide the wait for memory. Defines: HEAD_DIM, VECTOR_BYTES.
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=256 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=10 -DVECTOR_BYTES=4
#include "attention_tiles.cuh"
#include "succession.cuh"

constexpr int Threads = 128;
constexpr int Warps = Threads / 32;
constexpr int Heads = 16;
constexpr int Keys = PAGE_POSITIONS;
constexpr int Depth = PADDED / 16;
constexpr int SumStride = PADDED + 4;

extern "C" __global__ void __launch_bounds__(Threads) attention_decode(const __grid_constant__ AttentionForwardArguments a) {
    follow_previous();
    extern __shared__ __align__(16) unsigned char room[];
    bf16 *queries = reinterpret_cast<bf16 *>(room), *tiles = queries + Heads * TILE_STRIDE; // Keys, then values; twice.
    __shared__ float warp_maximum[Warps][Heads], warp_total[Warps][Heads];
    const int s = a.first_segment + blockIdx.z;
    const Segment segment = a.segments[s];
    const int window = window_of(a.window);
    if (segment.query_count != 1 || (int)blockIdx.x >= splits_of(segment.key_count, window)) {
        return;
    }
    const Split split = split_of(segment.key_count, window, blockIdx.x);
    const int head_blocks = (a.group + Heads - 1) / Heads;
    const int kv_head = blockIdx.y / head_blocks, first_head = blockIdx.y % head_blocks * Heads;
    const int heads = min(a.group - first_head, Heads);
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int visible_from = first_visible(segment.key_count - 1, window);
    const long head_offset = ((long)kv_head * a.group + first_head) * HEAD_DIM;

    // Each a group of copies of its own; one that is empty keeps their count.
    const auto load_tile = [&](int tile) {
        if (tile < split.end) {
            bf16 *keys = tiles + (tile - split.begin) / Keys % 2 * 2 * Keys * TILE_STRIDE;
            const long offset = row_of(segment, tile) * a.key_value_stride + kv_head * HEAD_DIM;
            load_rows<Keys, Threads>(keys, (const bf16 *)a.keys + offset, a.key_value_stride, segment.key_count - tile);
            end_copies();
            load_rows<Keys, Threads>(
                keys + Keys * TILE_STRIDE, (const bf16 *)a.values + offset, a.key_value_stride, segment.key_count - tile);
        } else {
            end_copies();
        }
        end_copies();
    };
    load_rows<Heads, Threads>(queries, (const bf16 *)a.queries + segment.query_start * a.query_stride + head_offset, HEAD_DIM, heads);
    load_tile(split.begin);
    float sums[2 * Depth][4] = {};
    float maximum[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
    const float to_powers = a.scale * LOG2_E;
    for (int tile = split.begin; tile < split.end; tile += Keys) {
        const bf16 *keys = tiles + (tile - split.begin) / Keys % 2 * 2 * Keys * TILE_STRIDE, *values = keys + Keys * TILE_STRIDE;
        __syncthreads();
        load_tile(tile + Keys);
        wait_copies<3>();
        __syncthreads();
        float scores[2][4] = {};
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            const FragmentB2 b = load_b_of_rows(keys + warp * 16 * TILE_STRIDE + k * 16, TILE_STRIDE);
            multiply_add(scores[0], scores[1], load_a(queries + k * 16, TILE_STRIDE), b);
        }
        int first_key = tile + warp * 16;
        if (first_key + 16 > split.end || first_key < visible_from) {
#pragma unroll
            for (int n = 0; n < 2; n++) {
#pragma unroll
                for (int c = 0; c < 4; c++) {
                    int key = first_key + n * 8 + (lane & 3) * 2 + (c & 1);
                    scores[n][c] = key < split.end && key >= visible_from ? scores[n][c] : -INFINITY;
                }
            }
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float highest = fmaxf(fmaxf(scores[0][2 * h], scores[0][2 * h + 1]), fmaxf(scores[1][2 * h], scores[1][2 * h + 1]));
            highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 1));
            highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 2));
            highest = fmaxf(highest, maximum[h]);
            float shift = highest == -INFINITY ? 0.0f : highest * to_powers;
            float rescale = power_of_two(maximum[h] * to_powers - shift);
            maximum[h] = highest;
            float sum = 0.0f;
#pragma unroll
            for (int n = 0; n < 2; n++) {
#pragma unroll
                for (int c = 2 * h; c < 2 * h + 2; c++) {
                    scores[n][c] = power_of_two(fmaf(scores[n][c], to_powers, -shift));
                    sum += scores[n][c];
                }
            }
            total[h] = fmaf(total[h], rescale, sum);
#pragma unroll
            for (int n = 0; n < 2 * Depth; n++) {
                sums[n][2 * h] *= rescale;
                sums[n][2 * h + 1] *= rescale;
            }
        }
        FragmentA p = as_a(scores[0], scores[1]);
        wait_copies<2>();
        __syncthreads();
#pragma unroll
        for (int n = 0; n < Depth; n++) {
            multiply_add(sums[2 * n], sums[2 * n + 1], p, load_b_of_columns(values + warp * 16 * TILE_STRIDE + n * 16, TILE_STRIDE));
        }
    }

    wait_copies<0>();
    __syncthreads();
    float *warp_sums = reinterpret_cast<float *>(tiles) + warp * Heads * SumStride;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int head = h * 8 + (lane >> 2);
        total[h] += __shfl_xor_sync(0xffffffffu, total[h], 1);
        total[h] += __shfl_xor_sync(0xffffffffu, total[h], 2);
        if ((lane & 3) == 0) {
            warp_maximum[warp][head] = maximum[h] * to_powers;
            warp_total[warp][head] = total[h];
        }
#pragma unroll
        for (int n = 0; n < 2 * Depth; n++) {
            *reinterpret_cast<float2 *>(warp_sums + head * SumStride + n * 8 + (lane & 3) * 2) =
                make_float2(sums[n][2 * h], sums[n][2 * h + 1]);
        }
    }
    __syncthreads();

    const bool alone = a.splits == 1;
    const long part = ((long)blockIdx.z * (gridDim.y / head_blocks) + kv_head) * a.splits + blockIdx.x;
    const float *all = reinterpret_cast<const float *>(tiles);
    for (int at = threadIdx.x; at < heads * HEAD_DIM; at += Threads) {
        int head = at / HEAD_DIM, column = at % HEAD_DIM;
        float highest = warp_maximum[0][head];
#pragma unroll
        for (int w = 1; w < Warps; w++) {
            highest = fmaxf(highest, warp_maximum[w][head]);
        }
        float sum = 0.0f, value = 0.0f;
#pragma unroll
        for (int w = 0; w < Warps; w++) {
            float weight = power_of_two(warp_maximum[w][head] - highest);
            sum = fmaf(warp_total[w][head], weight, sum);
            value = fmaf(all[(w * Heads + head) * SumStride + column], weight, value);
        }
        int group_head = first_head + head;
        if (alone) {
            narrow(value * (1.0f / sum), ((bf16 *)a.output)[segment.query_start * a.output_stride + head_offset + at]);
        } else {
            a.part_outputs[(part * a.group + group_head) * HEAD_DIM + column] = value;
            if (column == 0) {
                a.part_statistics[(part * a.group + group_head) * 2] = highest;
                a.part_statistics[(part * a.group + group_head) * 2 + 1] = sum;
            }
        }
    }
}
