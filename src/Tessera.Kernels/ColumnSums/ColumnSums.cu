// Sums over the rows of a matrix in two stages of fixed order. Specialisations: SOURCE (element type), SUM (F32 or F64), TARGET
// (F32, BF16 or F64), MAP (what is summed), FINISH (what becomes of a sum), PACK.
// variant: -DSOURCE=0 -DSUM=0 -DTARGET=0 -DMAP=0 -DFINISH=0 -DPACK=1
// variant: -DSOURCE=1 -DSUM=0 -DTARGET=1 -DMAP=0 -DFINISH=0 -DPACK=8
// variant: -DSOURCE=1 -DSUM=2 -DTARGET=2 -DMAP=1 -DFINISH=0 -DPACK=8
// variant: -DSOURCE=0 -DSUM=2 -DTARGET=2 -DMAP=2 -DFINISH=1 -DPACK=8
#include "rows.cuh"

#define F64 2
template <> struct ElementOf<F64> { typedef double type; };

#define MAP_VALUE 0
#define MAP_ABSOLUTE 1
#define MAP_SQUARE 2
#define FINISH_ADD 0
#define FINISH_ROOT 1

typedef ElementOf<SUM>::type sum_t;

#define SLICES 8

struct PartialArguments {
    const ElementOf<SOURCE>::type *source;
    sum_t *partials;
    long stride;
    int rows;
    int columns;
    int rows_of_block;
};

// A block adds rows_of_block rows of 32·PACK columns; its eight warps take every eighth row and are added in order.
extern "C" __global__ void __launch_bounds__(SLICES * 32) column_partials(const __grid_constant__ PartialArguments a) {
    __shared__ sum_t room[SLICES][32 * PACK];
    int lane = threadIdx.x & 31, slice = threadIdx.x >> 5;
    long column = ((long)blockIdx.x * 32 + lane) * PACK;
    long first = (long)blockIdx.y * a.rows_of_block, end = min(first + a.rows_of_block, (long)a.rows);
    sum_t sums[PACK] = {};
    if (column < a.columns) {
#pragma unroll 4
        for (long row = first + slice; row < end; row += SLICES) {
            float values[PACK];
            load_values(a.source + row * a.stride + column, values);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                sum_t value = values[p];
                sums[p] += MAP == MAP_ABSOLUTE ? (value < 0 ? -value : value) : MAP == MAP_SQUARE ? value * value : value;
            }
        }
    }

#pragma unroll
    for (int p = 0; p < PACK; p++) {
        room[slice][p * 32 + lane] = sums[p];
    }
    __syncthreads();

    for (int i = threadIdx.x; i < 32 * PACK; i += SLICES * 32) {
        sum_t sum = 0;
        for (int s = 0; s < SLICES; s++) {
            sum += room[s][i];
        }
        long place = ((long)blockIdx.x * 32 + (i & 31)) * PACK + (i >> 5);
        if (place < a.columns) {
            a.partials[(long)blockIdx.y * a.columns + place] = sum;
        }
    }
}

struct TotalArguments {
    const sum_t *partials;
    ElementOf<TARGET>::type *target;
    int rows;
    int columns;
};

__device__ __forceinline__ double widen(double x) { return x; }
__device__ __forceinline__ void narrow(double x, double &y) { y = x; }
__device__ __forceinline__ void narrow(double x, float &y) { y = (float)x; }
__device__ __forceinline__ void narrow(double x, bf16 &y) { narrow((float)x, y); }

// A block adds the partial rows of 32 columns: each of 32 warps takes every 32nd, then the 32 are added in order.
extern "C" __global__ void __launch_bounds__(1024) column_totals(const __grid_constant__ TotalArguments a) {
    __shared__ sum_t room[32][33];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    long column = (long)blockIdx.x * 32 + lane;
    sum_t sum = 0;
    if (column < a.columns) {
#pragma unroll 4
        for (long row = warp; row < a.rows; row += 32) {
            sum += a.partials[row * a.columns + column];
        }
    }
    room[warp][lane] = sum;
    __syncthreads();

    if (warp == 0 && column < a.columns) {
        sum = 0;
        for (int w = 0; w < 32; w++) {
            sum += room[w][lane];
        }
        if (FINISH == FINISH_ROOT) {
            narrow(sqrt((double)sum), a.target[column]);
        } else {
            narrow(widen(a.target[column]) + sum, a.target[column]);
        }
    }
}
