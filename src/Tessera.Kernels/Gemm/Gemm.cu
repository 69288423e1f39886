// C (=, +=) op(A)·op(B) by plain multiply-adds for any extents, strides, alignments and types: what the library does not take, mixed
// types, and sums whose order must not depend on the number of rows. An element is the sum, in order, of chains of BLOCK
// multiply-adds over p; one long chain would lose precision. A_TYPE, B_TYPE, C_TYPE: F32 or BF16; TRANSPOSE_A, TRANSPOSE_B: 0 or 1.
// variant: -DA_TYPE=0 -DB_TYPE=0 -DC_TYPE=1 -DTRANSPOSE_A=0 -DTRANSPOSE_B=1
// variant: -DA_TYPE=1 -DB_TYPE=0 -DC_TYPE=0 -DTRANSPOSE_A=1 -DTRANSPOSE_B=0
#include "element.cuh"

// Tiles of 128 × 128 with 8 × 8 elements a thread were as fast on an H100 (28 and 30 of the library's 50 TFLOP/s): the second set of
// sums costs them the registers of a second block.
#define TILE 64
#define DEPTH 16
#define BLOCK 512
#define SIDE 4
#define LOADS (TILE * DEPTH / 256)

typedef ElementOf<A_TYPE>::type A;
typedef ElementOf<B_TYPE>::type B;
typedef ElementOf<C_TYPE>::type C;

struct Arguments {
    const A *a;
    const B *b;
    C *c;
    long a_stride;
    long b_stride;
    long c_stride;
    int m;
    int n;
    int k;
    int accumulate;
};

// A thread's part of a tile [TILE outer, DEPTH inner] of a matrix [outer, inner], on its way to shared memory: neighbouring threads read
// what lies together, along p where rows are sums and along the outer index where columns are.
template <class T, bool InnerTogether> struct Part {
    float values[LOADS];

    static __device__ __forceinline__ int inner(int i) {
        return InnerTogether ? (int)(threadIdx.x % DEPTH) : (int)(threadIdx.x / TILE) + i * (256 / TILE);
    }
    static __device__ __forceinline__ int outer(int i) {
        return InnerTogether ? (int)(threadIdx.x / DEPTH) + i * (256 / DEPTH) : (int)(threadIdx.x % TILE);
    }

    __device__ __forceinline__ void load(const T *source, long stride, int first_outer, int first_inner, int outers, int inners) {
        for (int i = 0; i < LOADS; i++) {
            int o = first_outer + outer(i), p = first_inner + inner(i);
            bool exists = o < outers && p < inners;
            values[i] = exists ? widen(source[InnerTogether ? o * stride + p : p * stride + o]) : 0.0f;
        }
    }

    __device__ __forceinline__ void store(float (&tile)[DEPTH][TILE + 4]) const {
        for (int i = 0; i < LOADS; i++) {
            tile[inner(i)][outer(i)] = values[i];
        }
    }
};

// 256 threads of SIDE × SIDE elements.
extern "C" __global__ void __launch_bounds__(256) gemm(const __grid_constant__ Arguments a) {
    __shared__ __align__(16) float left[2][DEPTH][TILE + 4];
    __shared__ __align__(16) float right[2][DEPTH][TILE + 4];
    int first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
    int row = SIDE * (threadIdx.x / 16), column = SIDE * (threadIdx.x % 16);
    float sums[SIDE][SIDE] = {}, totals[SIDE][SIDE] = {};
    Part<A, !TRANSPOSE_A> a_part;
    Part<B, TRANSPOSE_B> b_part;
    a_part.load(a.a, a.a_stride, first_row, 0, a.m, a.k);
    b_part.load(a.b, a.b_stride, first_column, 0, a.n, a.k);
    int turn = 0;
    for (int first = 0; first < a.k; first += DEPTH, turn ^= 1) {
        a_part.store(left[turn]);
        b_part.store(right[turn]);

        // One barrier a turn: the other half of the memory was last read before the barrier of the turn before.
        __syncthreads();
        if (first + DEPTH < a.k) {
            a_part.load(a.a, a.a_stride, first_row, first + DEPTH, a.m, a.k);
            b_part.load(a.b, a.b_stride, first_column, first + DEPTH, a.n, a.k);
        }
#pragma unroll
        for (int p = 0; p < DEPTH; p++) {
            float x[SIDE], y[SIDE];
            load_pack(&left[turn][p][row], x);
            load_pack(&right[turn][p][column], y);
#pragma unroll
            for (int i = 0; i < SIDE; i++) {
#pragma unroll
                for (int j = 0; j < SIDE; j++) {
                    sums[i][j] = __fmaf_rn(x[i], y[j], sums[i][j]);
                }
            }
        }
        if ((first + DEPTH) % BLOCK == 0 || first + DEPTH >= a.k) {
#pragma unroll
            for (int i = 0; i < SIDE; i++) {
#pragma unroll
                for (int j = 0; j < SIDE; j++) {
                    totals[i][j] += sums[i][j];
                    sums[i][j] = 0.0f;
                }
            }
        }
    }

#pragma unroll
    for (int i = 0; i < SIDE; i++) {
#pragma unroll
        for (int j = 0; j < SIDE; j++) {
            int r = first_row + row + i, s = first_column + column + j;
            if (r < a.m && s < a.n) {
                C *c = a.c + r * a.c_stride + s;
                narrow(a.accumulate ? widen(*c) + totals[i][j] : totals[i][j], *c);
            }
        }
    }
}
