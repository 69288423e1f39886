// The scatter of gradients into a token table, without atomics. Tokens are sorted by id, keeping their order, digit by digit; then runs of
// equal ids are added up and rounded once. Specialisations: SOURCE, TABLE (element types), PACK, DIGIT_BITS.
// variant: -DSOURCE=0 -DTABLE=0 -DPACK=1 -DDIGIT_BITS=8
// variant: -DSOURCE=1 -DTABLE=1 -DPACK=8 -DDIGIT_BITS=9
// variant: -DSOURCE=1 -DTABLE=0 -DPACK=8 -DDIGIT_BITS=10
#include "rows.cuh"

#define BUCKETS (1 << DIGIT_BITS)
#define SCAN_THREADS 256
#define SCAN_ITEMS 8
// Sorted places that one block adds up, and the threads of a slice of columns.
#define STRETCH 32
#define SLICE_THREADS 128

struct SortArguments {
    const int *keys;   // ids in the order of the digit before
    const int *tokens; // their tokens; null in the first round, which takes the tokens in their order
    int *sorted_keys;
    int *sorted_tokens;
    int *offsets; // [BUCKETS + 1]
    const int *valid; // how many keys there are; null in the first round
    int count;
    int vocabulary;
    int shift;
};

// Ids outside the table are left out: nothing outside memory is written for them.
__device__ __forceinline__ bool belongs(const SortArguments &a, int key) {
    return (unsigned)key < (unsigned)a.vocabulary && (key >> a.shift & (BUCKETS - 1)) == blockIdx.x;
}

__device__ __forceinline__ int count_of(const SortArguments &a) { return a.valid ? *a.valid : a.count; }

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
    for (int w = 0; w < SCAN_THREADS / 32; w++) {
        before += w < warp ? room[w] : 0;
        total += room[w];
    }
    return before + sum - x;
}

// offsets[b + 1] = keys of bucket b = blockIdx.x.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) embedding_count(const __grid_constant__ SortArguments a) {
    __shared__ int room[SCAN_THREADS / 32];
    int found = 0, total, count = count_of(a);
#pragma unroll 8
    for (int i = threadIdx.x; i < count; i += SCAN_THREADS) {
        found += belongs(a, a.keys[i]);
    }
    block_prefix(found, room, total);
    if (threadIdx.x == 0) {
        a.offsets[blockIdx.x + 1] = total;
    }
}

// Turns counts into first places. One block.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) embedding_offsets(const __grid_constant__ SortArguments a) {
    __shared__ int room[SCAN_THREADS / 32];
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

// The keys of bucket b = blockIdx.x from offsets[b] on, in their order.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) embedding_sort(const __grid_constant__ SortArguments a) {
    __shared__ int room[SCAN_THREADS / 32];
    int place = a.offsets[blockIdx.x], count = count_of(a);
    if (place == a.offsets[blockIdx.x + 1]) {
        return;
    }
    for (long base = 0; base < count; base += SCAN_THREADS * SCAN_ITEMS) {
        long first = base + threadIdx.x * SCAN_ITEMS;
        unsigned mine = 0;
#pragma unroll
        for (int i = 0; i < SCAN_ITEMS; i++) {
            mine |= first + i < count && belongs(a, a.keys[first + i]) ? 1u << i : 0u;
        }
        int total, next = place + block_prefix(__popc(mine), room, total);
#pragma unroll
        for (int i = 0; i < SCAN_ITEMS; i++) {
            if (mine >> i & 1) {
                a.sorted_keys[next] = a.keys[first + i];
                a.sorted_tokens[next++] = a.tokens ? a.tokens[first + i] : (int)first + i;
            }
        }
        place += total;
    }
}

struct AddArguments {
    const int *keys;
    const int *tokens;
    const int *valid;
    const ElementOf<SOURCE>::type *grad_output;
    ElementOf<TABLE>::type *grad_table;
    float *partials; // [stretches, 2, width]: runs that began earlier, runs that go on
    int width;
};

// table row `key` += sums.
__device__ __forceinline__ void add_to_row(const AddArguments &a, int key, int column, float (&sums)[PACK]) {
    float before[PACK];
    ElementOf<TABLE>::type *row = a.grad_table + (long)key * a.width + column;
    load_values(row, before);
#pragma unroll
    for (int p = 0; p < PACK; p++) {
        sums[p] += before[p];
    }
    store_values(row, sums);
}

// Block (s, c) adds up stretch s of the sorted tokens in slice c of the columns. A run of equal ids that lies in the stretch goes to the
// table; one that crosses its border leaves a partial sum.
extern "C" __global__ void __launch_bounds__(SLICE_THREADS) embedding_add(const __grid_constant__ AddArguments a) {
    __shared__ int keys[STRETCH + 2], tokens[STRETCH];
    int count = *a.valid, start = blockIdx.x * STRETCH, length = min(STRETCH, count - start);
    if (length <= 0) {
        return;
    }
    // keys[i + 1] is the key of place i; before the first and behind the last there is none.
    for (int i = threadIdx.x; i < STRETCH + 2; i += SLICE_THREADS) {
        int place = start + i - 1;
        keys[i] = place >= 0 && place < count ? a.keys[place] : -1;
    }
    for (int i = threadIdx.x; i < length; i += SLICE_THREADS) {
        tokens[i] = a.tokens[start + i];
    }
    __syncthreads();
    int column = (blockIdx.y * SLICE_THREADS + threadIdx.x) * PACK;
    if (column >= a.width) {
        return;
    }

    float sums[PACK] = {};
    bool began_earlier = keys[0] == keys[1];
#pragma unroll 4
    for (int i = 0; i < length; i++) {
        float values[PACK];
        load_values(a.grad_output + (long)tokens[i] * a.width + column, values);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            sums[p] += values[p];
        }
        bool goes_on = keys[i + 2] == keys[i + 1];
        if (goes_on && i + 1 < length) {
            continue;
        }
        if (began_earlier || goes_on) {
            store_values(a.partials + (2L * blockIdx.x + (began_earlier ? 0 : 1)) * a.width + column, sums);
        } else {
            add_to_row(a, keys[i + 1], column, sums);
        }
        began_earlier = false;
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            sums[p] = 0.0f;
        }
    }
}

// Block (s, c): where a run begins in stretch s and goes on behind it, adds its partial sums, stretch after stretch.
extern "C" __global__ void __launch_bounds__(SLICE_THREADS) embedding_join(const __grid_constant__ AddArguments a) {
    int count = *a.valid, last = (blockIdx.x + 1) * STRETCH - 1;
    if (last + 1 >= count) {
        return;
    }
    int key = a.keys[last];
    bool begins_here = last + 1 == STRETCH || a.keys[last - STRETCH] != key;
    if (a.keys[last + 1] != key || !begins_here) {
        return;
    }
    // Stretches behind this one that begin with the key; the sorted keys of their first places tell.
    int end = blockIdx.x + 1, more;
    do {
        int place = (end + (int)threadIdx.x) * STRETCH;
        more = __syncthreads_count(place < count && a.keys[place] == key);
        end += more;
    } while (more == SLICE_THREADS);

    int column = (blockIdx.y * SLICE_THREADS + threadIdx.x) * PACK;
    if (column >= a.width) {
        return;
    }
    float sums[PACK];
    load_values(a.partials + (2L * blockIdx.x + 1) * a.width + column, sums);
#pragma unroll 4
    for (int s = blockIdx.x + 1; s < end; s++) {
        float values[PACK];
        load_values(a.partials + 2L * s * a.width + column, values);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            sums[p] += values[p];
        }
    }
    add_to_row(a, key, column, sums);
}
