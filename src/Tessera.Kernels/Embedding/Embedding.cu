// The scatter of gradients into a token table, without atomics: tokens are put into buckets by the low bits of their id, in their order;
// then a block adds up the rows of each id of a bucket. Specialisations: SOURCE, TABLE (element types), PACK, BUCKET_BITS.
#include "rows.cuh"

#define BUCKETS (1 << BUCKET_BITS)
#define SCAN_THREADS 256
#define SCAN_ITEMS 8
#define SLICE_THREADS 64

struct Arguments {
    const int *ids;
    const ElementOf<SOURCE>::type *grad_output;
    ElementOf<TABLE>::type *grad_table;
    int *offsets;
    int *order;
    int tokens;
    int vocabulary;
    int width;
};

// Ids outside the table are left out: nothing outside memory is written for them.
__device__ __forceinline__ bool belongs(int id, int bucket, int vocabulary) {
    return (unsigned)id < (unsigned)vocabulary && (id & (BUCKETS - 1)) == bucket;
}

// Sum over the threads before this one; `total` gets the sum over all. `room` holds a value a warp.
__device__ __forceinline__ int block_prefix(int x, int *room, int &total) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, sum = x;
    for (int offset = 1; offset < 32; offset <<= 1) {
        int other = __shfl_up_sync(0xffffffffu, sum, offset);
        sum += lane >= offset ? other : 0;
    }
    __syncthreads();
    if (lane == 31) {
        room[warp] = sum;
    }
    __syncthreads();
    int before = 0;
    total = 0;
    for (int w = 0; w < (int)blockDim.x >> 5; w++) {
        before += w < warp ? room[w] : 0;
        total += room[w];
    }
    return before + sum - x;
}

// offsets[b + 1] = tokens of bucket b.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) embedding_count(const __grid_constant__ Arguments a) {
    __shared__ int room[32];
    int count = 0, total;
    for (int t = threadIdx.x; t < a.tokens; t += SCAN_THREADS) {
        count += belongs(a.ids[t], blockIdx.x, a.vocabulary);
    }
    block_prefix(count, room, total);
    if (threadIdx.x == 0) {
        a.offsets[blockIdx.x + 1] = total;
    }
}

// Turns counts into first places. One block.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) embedding_offsets(const __grid_constant__ Arguments a) {
    __shared__ int room[32];
    const int items = BUCKETS / SCAN_THREADS;
    int counts[items], sum = 0, total;
    for (int i = 0; i < items; i++) {
        counts[i] = a.offsets[threadIdx.x * items + i + 1];
        sum += counts[i];
    }
    int place = block_prefix(sum, room, total);
    if (threadIdx.x == 0) {
        a.offsets[0] = 0;
    }
    for (int i = 0; i < items; i++) {
        place += counts[i];
        a.offsets[threadIdx.x * items + i + 1] = place;
    }
}

// order[offsets[b]…] = the tokens of bucket b, in their order.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) embedding_fill(const __grid_constant__ Arguments a) {
    __shared__ int room[32];
    int place = a.offsets[blockIdx.x];
    if (place == a.offsets[blockIdx.x + 1]) {
        return;
    }
    for (long base = 0; base < a.tokens; base += SCAN_THREADS * SCAN_ITEMS) {
        long first = base + threadIdx.x * SCAN_ITEMS;
        unsigned mine = 0;
#pragma unroll
        for (int i = 0; i < SCAN_ITEMS; i++) {
            bool inside = first + i < a.tokens && belongs(a.ids[first + i], blockIdx.x, a.vocabulary);
            mine |= inside ? 1u << i : 0u;
        }
        int total, next = place + block_prefix(__popc(mine), room, total);
#pragma unroll
        for (int i = 0; i < SCAN_ITEMS; i++) {
            if (mine >> i & 1) {
                a.order[next++] = (int)first + i;
            }
        }
        place += total;
    }
}

// Block (b, s) adds to slice s of the rows of bucket b's ids, lowest id first, each id's tokens in their order in f32, and rounds once.
extern "C" __global__ void __launch_bounds__(SLICE_THREADS) embedding_backward(const __grid_constant__ Arguments a) {
    __shared__ int queue[SLICE_THREADS];
    __shared__ int counts[2], nexts[2];
    const int none = 0x7fffffff;
    int start = a.offsets[blockIdx.x], end = a.offsets[blockIdx.x + 1];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int column = (blockIdx.y * SLICE_THREADS + threadIdx.x) * PACK;
    bool inside = column < a.width;

    // The first round has no id of its own and finds the lowest.
    for (int id = -1; start < end && id != none;) {
        float sums[PACK] = {};
        int next = none;
        for (int base = start; base < end; base += SLICE_THREADS) {
            int token = base + (int)threadIdx.x < end ? a.order[base + threadIdx.x] : -1;
            int own = token < 0 ? none : a.ids[token];
            next = own > id ? min(next, own) : next;
            unsigned same = __ballot_sync(0xffffffffu, own == id);
            __syncthreads();
            if (lane == 0) {
                counts[warp] = __popc(same);
            }
            __syncthreads();
            if (own == id) {
                queue[(warp == 0 ? 0 : counts[0]) + __popc(same & ((1u << lane) - 1))] = token;
            }
            __syncthreads();
            if (inside) {
                int queued = counts[0] + counts[1];
#pragma unroll 4
                for (int q = 0; q < queued; q++) {
                    float values[PACK];
                    load_values(a.grad_output + (long)queue[q] * a.width + column, values);
#pragma unroll
                    for (int p = 0; p < PACK; p++) {
                        sums[p] += values[p];
                    }
                }
            }
        }

        if (id >= 0 && inside) {
            float before[PACK];
            ElementOf<TABLE>::type *row = a.grad_table + (long)id * a.width + column;
            load_values(row, before);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                sums[p] += before[p];
            }
            store_values(row, sums);
        }

        for (int offset = 16; offset > 0; offset >>= 1) {
            next = min(next, __shfl_xor_sync(0xffffffffu, next, offset));
        }
        __syncthreads();
        if (lane == 0) {
            nexts[warp] = next;
        }
        __syncthreads();
        id = min(nexts[0], nexts[1]);
    }
}
