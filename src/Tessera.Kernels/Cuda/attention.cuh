// What all attention kernels share: the sequences of a step, which block works on which of them, and who sees whom.
//
// The query heads of a key-value head are rows of one matrix: row r of a sequence is query r / G, head r % G of the group. Causality
// and windows go by position = prefix + r / G, and no key or value is read once more for another head of the group.
#pragma once
#include "element.cuh"
#include "segment.cuh"

// Keys of one part of a decoding query's sum; never anything else, so that the bits do not depend on the batch.
#define SPLIT_KEYS 256
// Elements of a head in a tile, with zeros up to a multiple of 16.
#define PADDED ((HEAD_DIM + 15) / 16 * 16)
#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f
// The run-time compiler has no <math.h>.
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif

// AttentionForwardArguments in C#.
struct AttentionForwardArguments {
    const void *queries, *keys, *values;
    const Segment *segments;
    void *output;
    float *log_sum_exp;
    float *part_outputs;    // [segments, K, splits, G, E]
    float *part_statistics; // [segments, K, splits, G, 2]: maximum in powers of two, sum
    long query_stride, key_value_stride, output_stride;
    long group_reciprocal; // 2^32 / G, rounded down, + 1
    int segment_count, first_segment, least_queries, heads, group, window, splits;
    float scale;
};

// AttentionBackwardArguments in C#.
struct AttentionBackwardArguments {
    const void *queries, *keys, *values;
    const Segment *segments;
    const void *output, *grad_output;
    const float *log_sum_exp;
    float *delta; // [tokens, H]
    void *grad_queries, *grad_keys, *grad_values;
    long query_stride, key_value_stride, output_stride, grad_stride;
    long group_reciprocal;
    int segment_count, tokens, heads, group, window;
    float scale;
};

__device__ __forceinline__ int query_of(int row, long group_reciprocal) {
    return (int)(((unsigned long)row * (unsigned long)group_reciprocal) >> 32);
}
// No window is one that nothing leaves.
__device__ __forceinline__ int window_of(int window) { return window == 0 ? 1 << 30 : window; }
__device__ __forceinline__ int first_visible(int position, int window) { return max(0, position - window + 1); }

// Tiles of `size` rows (queries · factor) of a segment, none if it has fewer than `least` queries.
__device__ __forceinline__ int tiles_of(const Segment &segment, int least, int factor, int size) {
    return segment.query_count < least ? 0 : (segment.query_count * factor + size - 1) / size;
}

// The segment (x) and its tile (y) that a block works on, the one at blockIdx.x or at `index`: all tiles of all segments in a row, from the last if
// `from_end`, so that a causal sequence begins with its longest. False where there are fewer tiles than blocks.
template <int Threads>
__device__ __forceinline__ bool find_tile(
    const Segment *segments, int count, int least, int factor, int size, bool from_end, int2 &found, int index = -1) {
    __shared__ int sums[Threads / 32];
    __shared__ int2 place;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int each = (count + Threads - 1) / Threads;
    int first = min((int)threadIdx.x * each, count), last = min(first + each, count);
    int own = 0;
    for (int s = first; s < last; s++) {
        own += tiles_of(segments[s], least, factor, size);
    }
    int through = own;
    for (int offset = 1; offset < 32; offset <<= 1) {
        int below = __shfl_up_sync(0xffffffffu, through, offset);
        through += lane >= offset ? below : 0;
    }
    if (lane == 31) {
        sums[warp] = through;
    }
    __syncthreads();
    int before = through - own, total = 0;
    for (int w = 0; w < Threads / 32; w++) {
        before += w < warp ? sums[w] : 0;
        total += sums[w];
    }
    index = index < 0 ? blockIdx.x : index;
    if (index >= total) {
        return false;
    }
    index = (from_end ? total - 1 - index : index) - before;
    if (index >= 0 && index < own) {
        int s = first;
        for (int tiles; index >= (tiles = tiles_of(segments[s], least, factor, size)); s++) {
            index -= tiles;
        }
        place = make_int2(s, index);
    }
    __syncthreads();
    found = place;
    return true;
}

// The part of a decoding sequence's keys that block blockIdx.x sums: [begin, end), begin at a multiple of a page.
struct Split {
    int begin, end;
};
__device__ __forceinline__ int splits_of(int key_count, int window) {
    return (key_count + SPLIT_KEYS - 1) / SPLIT_KEYS - first_visible(key_count - 1, window) / SPLIT_KEYS;
}
__device__ __forceinline__ Split split_of(int key_count, int window, int index) {
    int first = first_visible(key_count - 1, window);
    int begin = (first / SPLIT_KEYS + index) * SPLIT_KEYS;
    return {max(begin, first / PAGE_POSITIONS * PAGE_POSITIONS), min(begin + SPLIT_KEYS, key_count)};
}
