// What kernels over rows share. PACK neighbours of a row move together: 8 where width, strides and addresses allow accesses of
// 16 bytes, else 1. A thread keeps CHUNKS packs of its row in registers, so that a row is read once; WARPS warps share a row, a row's
// sums run in an order that depends on its width alone.
#pragma once
#include "element.cuh"

__device__ __forceinline__ void load_values(const float *source, float (&values)[1]) { values[0] = *source; }
__device__ __forceinline__ void load_values(const bf16 *source, float (&values)[1]) { values[0] = widen(*source); }
__device__ __forceinline__ void load_values(const bf16 *source, float (&values)[8]) { load_pack(source, values); }
__device__ __forceinline__ void load_values(const float *source, float (&values)[8]) {
    float low[4], high[4];
    load_pack(source, low);
    load_pack(source + 4, high);
    for (int i = 0; i < 4; i++) {
        values[i] = low[i], values[i + 4] = high[i];
    }
}

__device__ __forceinline__ void store_values(float *target, const float (&values)[1]) { *target = values[0]; }
__device__ __forceinline__ void store_values(bf16 *target, const float (&values)[1]) { narrow(values[0], *target); }
__device__ __forceinline__ void store_values(bf16 *target, const float (&values)[8]) { store_pack(target, values); }
__device__ __forceinline__ void store_values(float *target, const float (&values)[8]) {
    float low[4], high[4];
    for (int i = 0; i < 4; i++) {
        low[i] = values[i], high[i] = values[i + 4];
    }
    store_pack(target, low);
    store_pack(target + 4, high);
}

// The largest finite binary32: a sum of squares beyond it is taken again in double, which has room for the square of any float.
#define LARGEST 3.402823466e38f

// The value that a store of x leaves in memory.
__device__ __forceinline__ float as_stored(float x, const float *) { return x; }
__device__ __forceinline__ float as_stored(float x, const bf16 *) {
    bf16 rounded;
    narrow(x, rounded);
    return widen(rounded);
}

__device__ __forceinline__ double warp_sum(double x) {
    for (int offset = 16; offset > 0; offset >>= 1) {
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    }
    return x;
}

#ifdef WARPS
// A block holds four rows of one warp each, or one row of several warps.
#define ROWS_OF_BLOCK (WARPS == 1 ? 4 : 1)
#define ROW_LANES (WARPS * 32)
#define BLOCK_THREADS (ROWS_OF_BLOCK * ROW_LANES)

__device__ __forceinline__ int row_of_block() { return WARPS == 1 ? (int)threadIdx.x >> 5 : 0; }
__device__ __forceinline__ int lane_of_row() { return WARPS == 1 ? (int)threadIdx.x & 31 : (int)threadIdx.x; }

// Sum over the threads of a row; every one of them gets it. All threads of a block of several warps must take part.
template <class T> __device__ __forceinline__ T row_sum(T x) {
    x = warp_sum(x);
    if (WARPS == 1) {
        return x;
    }
    __shared__ T room[32];
    int lane = threadIdx.x & 31;
    // The sum before this one may still be read.
    __syncthreads();
    if (lane == 0) {
        room[threadIdx.x >> 5] = x;
    }
    __syncthreads();
    return warp_sum(lane < WARPS ? room[lane] : (T)0);
}
#endif
