// target[i] = source[rows[i]]. Specialisations: SOURCE, TARGET (element types; SOURCE may be INT8 or INT4 groups), PACK.
// variant: -DSOURCE=0 -DTARGET=0 -DPACK=1
// variant: -DSOURCE=1 -DTARGET=1 -DPACK=8
// variant: -DSOURCE=4 -DTARGET=0 -DPACK=8
// variant: -DSOURCE=5 -DTARGET=1 -DPACK=1
#include "rows.cuh"
#include "succession.cuh"

#define INT8 4
#define INT4 5

struct Arguments {
    const void *source;
    const int *rows;
    ElementOf<TARGET>::type *target;
    long source_stride;
    long target_stride;
    int count;
    int width;
    int limit;
};

__device__ __forceinline__ float from_half(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

// One element of a matrix in tiles of 16 rows and groups of 32 columns, laid out as GroupedMatrix says.
__device__ __forceinline__ float grouped_value(const unsigned char *matrix, int row, int column, int width) {
    const int integers = SOURCE == INT8 ? 512 : 256, record = integers + 32;
    int groups = (width + 31) / 32, group = column / 32, in_tile = row & 15, in_group = column & 31;
    const unsigned char *place = matrix + ((long)(row >> 4) * groups + group) * record;
    float scale = from_half(*(const unsigned short *)(place + integers + 2 * in_tile));
    int step = in_group >> 2;
    if (SOURCE == INT8) {
        return (float)((int)place[step * 64 + in_tile * 4 + (in_group & 3)] - 128) * scale;
    }
    int pair = place[(step >> 1) * 64 + in_tile * 4 + (in_group & 3)];
    return (float)(((step & 1) ? pair >> 4 : pair & 15) - 8) * scale;
}

// A block of (x, y) threads copies y rows. A row outside the source becomes zeros: nothing outside memory is read for it.
extern "C" __global__ void __launch_bounds__(256) row_gather(const __grid_constant__ Arguments a) {
    follow_previous();
    long i = (long)blockIdx.x * blockDim.y + threadIdx.y;
    if (i >= a.count) {
        return;
    }
    int row = a.rows[i];
    bool inside = (unsigned)row < (unsigned)a.limit;
    for (int column = threadIdx.x * PACK; column < a.width; column += blockDim.x * PACK) {
        float values[PACK] = {};
        if (inside) {
#if SOURCE == INT8 || SOURCE == INT4
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                values[p] = grouped_value((const unsigned char *)a.source, row, column + p, a.width);
            }
#else
            load_values((const ElementOf<SOURCE>::type *)a.source + row * a.source_stride + column, values);
#endif
        }
        store_values(a.target + i * a.target_stride + column, values);
    }
}
