// Rows of f32 into a matrix of int8 or int4 groups, by the roundings of GroupedMatrix in C#: the same bits. W_BITS: 8 or 4.
// variant: -DW_BITS=8
// variant: -DW_BITS=4
#include "element.cuh"
#include "grouped.cuh"

// The largest magnitude of a group: that of the integers times the largest binary16.
#define LIMIT (65504.0f * (W_BITS == 8 ? 127.0f : 8.0f))
// Adding 1.5·2^23 leaves a float of magnitude below 2^22 as an integer in the low bits, rounded to nearest, ties to even.
#define MAGIC 12582912.0f
#define NO_PLACE 0x7fffffffffffffffLL

struct Arguments {
    const float *values;
    unsigned char *matrix;
    unsigned long long *refused; // NO_PLACE minus the first place that was refused; 0 for none.
    long stride;
    int first_row;
    int rows;
    int columns;
    int groups;
};

__device__ __forceinline__ unsigned short half_of(float x) {
    unsigned short half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(x));
    return half;
}

__device__ __forceinline__ float widen_half(unsigned short half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

__device__ __forceinline__ int round_by(float x, unsigned short scale) {
    float factor = (scale & 0x7fff) == 0 ? 0.0f : __fdiv_rn(1.0f, widen_half(scale));
    return __float_as_int(__fadd_rn(__fmul_rn(x, factor), MAGIC)) - __float_as_int(MAGIC);
}

// Of a warp's 32 values; the integer as stored.
#if W_BITS == 8
__device__ __forceinline__ int round_group(float x, float magnitude, unsigned short &scale) {
    scale = half_of(__fdiv_rn(magnitude, 127.0f));
    if (magnitude > __fmul_rn(127.5f, widen_half(scale)) && scale != 0) {
        // Among the smallest binary16 numbers the nearest can be far too small.
        scale++;
    }
    return round_by(x, scale) + 128;
}
#else
__device__ __forceinline__ int round_group(float x, float magnitude, unsigned short &scale) {
    // The element of largest magnitude is given the negative side, and of nine scales the one with the least squared error is taken.
    float largest = __any_sync(0xffffffffu, x == magnitude) ? magnitude : -magnitude, least = INFINITY;
    int best = 0;
    scale = 0;
    for (float steps = 9.0f; steps >= 7.0f; steps -= 0.25f) {
        unsigned short candidate = half_of(__fdiv_rn(-largest, steps));
        if ((candidate & 0x7c00) == 0x7c00) {
            break;
        }
        int q = max(min(round_by(x, candidate), 7), -8);
        float distance = __fsub_rn(x, __fmul_rn((float)q, widen_half(candidate)));
        float error = warp_sum(__fmul_rn(distance, distance));
        if (error < least) {
            best = q, scale = candidate, least = error;
        }
    }
    return best + 8;
}
#endif

// A warp a group of a row.
extern "C" __global__ void __launch_bounds__(256) grouped_store(const __grid_constant__ Arguments a) {
    long index = (long)blockIdx.x * 8 + threadIdx.x / 32;
    int lane = threadIdx.x & 31, r = (int)(index / a.groups), group = (int)(index % a.groups);
    if (r >= a.rows) {
        return;
    }
    int column = GROUP * group + lane, row = a.first_row + r;
    float x = column < a.columns ? a.values[r * a.stride + column] : 0.0f;
    // Magnitudes are ordered like their bits, infinities and NaNs above all numbers.
    unsigned bits = __float_as_uint(x) & 0x7fffffffu;
    for (int offset = 16; offset > 0; offset >>= 1) {
        bits = max(bits, __shfl_xor_sync(0xffffffffu, bits, offset));
    }
    float magnitude = __uint_as_float(bits);
    if (!(magnitude <= LIMIT)) {
        if (lane == 0) {
            // Whole numbers: the largest does not depend on the order.
            atomicMax(a.refused, (unsigned long long)(NO_PLACE - ((long long)row * a.groups + group)));
        }
        return;
    }
    unsigned short scale;
    unsigned q = (unsigned)round_group(x, magnitude, scale) & 0xffu;
    // Four neighbours make a dword of int8; eight make one of int4, the second four above the first.
    const int together = W_BITS == 8 ? 4 : 8;
    q <<= 8 * (lane & 3) + (W_BITS == 8 ? 0 : lane & 4);
    for (int offset = 1; offset < together; offset <<= 1) {
        q |= __shfl_xor_sync(0xffffffffu, q, offset);
    }
    unsigned char *record = a.matrix + ((long)(row / TILE_ROWS) * a.groups + group) * RECORD_BYTES(W_BITS);
    int in_tile = row % TILE_ROWS;
    if (lane % together == 0) {
        reinterpret_cast<unsigned *>(record)[lane / together * TILE_ROWS + in_tile] = q;
    }
    if (lane == 0) {
        reinterpret_cast<unsigned short *>(record + RECORD_BYTES(W_BITS) - 2 * TILE_ROWS)[in_tile] = scale;
    }
}
