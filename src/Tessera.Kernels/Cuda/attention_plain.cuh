// Tiles of f32 rows in shared memory and their products by fused multiply-adds, for every type that tensor cores do not take.
// 256 threads as 16 × 16: thread (y, x) owns rows y + 16·i of the left tile. Needs HEAD_DIM, and ELEMENTS: the 1, 2 or 4 elements
// that lie aligned side by side in every row of global memory.
#pragma once
#include "attention.cuh"

// Four floats more than a row keep eight neighbouring rows in different banks.
#define TILE_STRIDE (PADDED + 4)

constexpr int PlainThreads = 256;
constexpr int ColumnBlocks = (PADDED + 63) / 64; // Thread (y, x) owns columns 64·c + 4·x … + 3 of a product with rows of elements.

__device__ __forceinline__ void load_elements(const float *source, float (&values)[1]) { values[0] = *source; }
__device__ __forceinline__ void load_elements(const bf16 *source, float (&values)[1]) { values[0] = widen(*source); }
__device__ __forceinline__ void load_elements(const float *source, float (&values)[2]) {
    float2 pair = *reinterpret_cast<const float2 *>(source);
    values[0] = pair.x, values[1] = pair.y;
}
__device__ __forceinline__ void load_elements(const bf16 *source, float (&values)[2]) {
    unsigned pair = *reinterpret_cast<const unsigned *>(source);
    values[0] = low_of(pair), values[1] = high_of(pair);
}
__device__ __forceinline__ void load_elements(const float *source, float (&values)[4]) { load_pack(source, values); }
__device__ __forceinline__ void load_elements(const bf16 *source, float (&values)[4]) {
    uint2 pairs = *reinterpret_cast<const uint2 *>(source);
    values[0] = low_of(pairs.x), values[1] = high_of(pairs.x), values[2] = low_of(pairs.y), values[3] = high_of(pairs.y);
}

// Loads Rows rows, `row(i)` each; null is a row of zeros.
template <int Rows, class Row> __device__ __forceinline__ void load_plain(float *tile, Row row) {
    constexpr int vectors = PADDED / ELEMENTS;
    for (int at = threadIdx.x; at < Rows * vectors; at += PlainThreads) {
        int i = at / vectors, column = at % vectors * ELEMENTS;
        auto source = row(i);
        float values[ELEMENTS] = {};
        if (source != 0 && column + ELEMENTS <= HEAD_DIM) {
            load_elements(source + column, values);
        }
#pragma unroll
        for (int e = 0; e < ELEMENTS; e++) {
            tile[i * TILE_STRIDE + column + e] = values[e];
        }
    }
}

__device__ __forceinline__ float4 four(const float *source) { return *reinterpret_cast<const float4 *>(source); }

// products[i][j] = Σ_e left[y + 16·i, e]·right[x + 16·j, e]: one chain of fused multiply-adds each.
template <int A, int B> __device__ __forceinline__ void multiply_rows(const float *left, const float *right, float (&products)[A][B]) {
    const int x = threadIdx.x & 15, y = threadIdx.x >> 4;
#pragma unroll
    for (int i = 0; i < A; i++) {
#pragma unroll
        for (int j = 0; j < B; j++) {
            products[i][j] = 0.0f;
        }
    }
#pragma unroll 4
    for (int e = 0; e < PADDED; e += 4) {
        float4 l[A], r[B];
#pragma unroll
        for (int i = 0; i < A; i++) {
            l[i] = four(left + (y + 16 * i) * TILE_STRIDE + e);
        }
#pragma unroll
        for (int j = 0; j < B; j++) {
            r[j] = four(right + (x + 16 * j) * TILE_STRIDE + e);
        }
#pragma unroll
        for (int i = 0; i < A; i++) {
#pragma unroll
            for (int j = 0; j < B; j++) {
                float sum = fmaf(l[i].x, r[j].x, products[i][j]);
                sum = fmaf(l[i].y, r[j].y, sum);
                sum = fmaf(l[i].z, r[j].z, sum);
                products[i][j] = fmaf(l[i].w, r[j].w, sum);
            }
        }
    }
}

__device__ __forceinline__ void add_product(float (&sums)[4], float weight, const float4 &row) {
    sums[0] = fmaf(weight, row.x, sums[0]);
    sums[1] = fmaf(weight, row.y, sums[1]);
    sums[2] = fmaf(weight, row.z, sums[2]);
    sums[3] = fmaf(weight, row.w, sums[3]);
}

// sums[i][c] += Σ_j weights[y + 16·i, j]·rows[j, 64·c + 4·x …], in the order of j.
template <int A, int Count, int WeightStride>
__device__ __forceinline__ void add_weighted_rows(const float *weights, const float *rows, float (&sums)[A][ColumnBlocks][4]) {
    const int x = threadIdx.x & 15, y = threadIdx.x >> 4;
#pragma unroll 2
    for (int j = 0; j < Count; j += 4) {
        float4 w[A];
#pragma unroll
        for (int i = 0; i < A; i++) {
            w[i] = four(weights + (y + 16 * i) * WeightStride + j);
        }
#pragma unroll
        for (int c = 0; c < ColumnBlocks; c++) {
            int column = 64 * c + 4 * x;
            if (column < PADDED) {
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    float4 row = four(rows + (j + k) * TILE_STRIDE + column);
#pragma unroll
                    for (int i = 0; i < A; i++) {
                        add_product(sums[i][c], k == 0 ? w[i].x : k == 1 ? w[i].y : k == 2 ? w[i].z : w[i].w, row);
                    }
                }
            }
        }
    }
}

// Writes this thread's columns of a row, times a factor.
template <class T> __device__ __forceinline__ void store_plain(T *row, const float (&sums)[ColumnBlocks][4], float factor) {
    const int x = threadIdx.x & 15;
#pragma unroll
    for (int c = 0; c < ColumnBlocks; c++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int column = 64 * c + 4 * x + e;
            if (column < HEAD_DIM) {
                narrow(sums[c][e] * factor, row[column]);
            }
        }
    }
}

// Sum and maximum over the 16 threads of a row.
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
    for (int offset = 8; offset > 0; offset >>= 1) {
        value += __shfl_xor_sync(0xffffffffu, value, offset);
    }
    return value;
}
__device__ __forceinline__ float row_maximum(float value) {
#pragma unroll
    for (int offset = 8; offset > 0; offset >>= 1) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, offset));
    }
    return value;
}
