// Tiles of bf16 rows in shared memory for products of warps. Needs HEAD_DIM, and VECTOR_BYTES: the 4, 8 or 16 bytes that
// every row in global memory is aligned to.
#pragma once
#include "attention.cuh"
#include "tensor_core.cuh"

// 16 bytes more than a row keep eight neighbouring rows in different banks.
#define TILE_STRIDE (PADDED + 8)

constexpr int VectorElements = VECTOR_BYTES / 2;
constexpr int RowVectors = PADDED / VectorElements;

// Some rows of a sequence's packed heads: row r lies at base + r / G · stride + r % G · HEAD_DIM.
template <class T> struct PackedHeads {
    T *base;
    long stride, group_reciprocal;
    int group;
    __device__ __forceinline__ T *row(int r) const {
        int query = query_of(r, group_reciprocal);
        return base + query * stride + (r - query * group) * HEAD_DIM;
    }
};

// Starts copying rows [first, first + Rows) below `count` of packed heads; zeros for the others.
template <int Rows, int Threads> __device__ __forceinline__ void load_heads(bf16 *tile, const PackedHeads<const bf16> &heads, int first, int count) {
#pragma unroll 2
    for (int at = threadIdx.x; at < Rows * RowVectors; at += Threads) {
        int row = at / RowVectors, column = at % RowVectors * VectorElements;
        bool present = first + row < count && column < HEAD_DIM;
        copy_async<VECTOR_BYTES>(tile + row * TILE_STRIDE + column, heads.row(present ? first + row : 0) + (present ? column : 0), present);
    }
}

// Starts copying `count` rows that lie `stride` apart; zeros for the others.
template <int Rows, int Threads> __device__ __forceinline__ void load_rows(bf16 *tile, const bf16 *source, long stride, int count) {
    if constexpr (Threads % RowVectors == 0 && Rows * RowVectors % Threads == 0) {
        // Every thread stays in its column and walks down: one addition a copy.
        constexpr int step = Threads / RowVectors;
        int row = (int)threadIdx.x / RowVectors, column = (int)threadIdx.x % RowVectors * VectorElements;
        bf16 *destination = tile + row * TILE_STRIDE + column;
        source += row * stride + column;
        count = column < HEAD_DIM ? count : 0;
#pragma unroll
        for (int i = 0; i < Rows / step; i++) {
            copy_async<VECTOR_BYTES>(destination + i * step * TILE_STRIDE, source, row + i * step < count);
            source += step * stride;
        }
    } else {
#pragma unroll 2
        for (int at = threadIdx.x; at < Rows * RowVectors; at += Threads) {
            int row = at / RowVectors, column = at % RowVectors * VectorElements;
            bool present = row < count && column < HEAD_DIM;
            copy_async<VECTOR_BYTES>(tile + row * TILE_STRIDE + column, present ? source + row * stride + column : source, present);
        }
    }
}

template <int Bytes> struct VectorOf;
template <> struct VectorOf<16> { typedef uint4 type; };
template <> struct VectorOf<8> { typedef uint2 type; };
template <> struct VectorOf<4> { typedef unsigned type; };

// One warp writes the first `columns` of `rows` rows of its tile to where `target(row)` says; null is nowhere.
template <class Target> __device__ __forceinline__ void store_rows(const bf16 *tile, int rows, int columns, Target target) {
    typedef typename VectorOf<VECTOR_BYTES>::type Vector;
    int vectors = columns / VectorElements;
    for (int at = threadIdx.x & 31; at < rows * vectors; at += 32) {
        int row = at / vectors, column = at % vectors * VectorElements;
        bf16 *destination = target(row);
        if (destination != 0) {
            *reinterpret_cast<Vector *>(destination + column) = *reinterpret_cast<const Vector *>(tile + row * TILE_STRIDE + column);
        }
    }
}

// Puts two neighbouring columns of C[16, 8] fragments, times a factor for each row, into a tile: rows from `tile`.
__device__ __forceinline__ void put_fragment(bf16 *tile, int column, const float (&c)[4], float upper, float lower) {
    int lane = threadIdx.x & 31;
    bf16 *at = tile + (lane >> 2) * TILE_STRIDE + column + (lane & 3) * 2;
    *reinterpret_cast<unsigned *>(at) = narrow_pair(c[0] * upper, c[1] * upper);
    *reinterpret_cast<unsigned *>(at + 8 * TILE_STRIDE) = narrow_pair(c[2] * lower, c[3] * lower);
}

// 16 rows of a tile as A of products over all their columns: in registers, or read from shared memory each time.
template <bool Held> struct RowsOfA;
template <> struct RowsOfA<true> {
    FragmentA fragments[PADDED / 16];
    __device__ __forceinline__ void load(const bf16 *tile) {
#pragma unroll
        for (int k = 0; k < PADDED / 16; k++) {
            fragments[k] = load_a(tile + k * 16, TILE_STRIDE);
        }
    }
    __device__ __forceinline__ const FragmentA &at(int k) const { return fragments[k]; }
};
template <> struct RowsOfA<false> {
    const bf16 *rows;
    __device__ __forceinline__ void load(const bf16 *tile) { rows = tile; }
    __device__ __forceinline__ FragmentA at(int k) const { return load_a(rows + k * 16, TILE_STRIDE); }
};
