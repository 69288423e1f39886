// Rows in and out of E4M3 with a scale each, as Fp8Matrix in C# has them: the same bits.
// variant: -DX_TYPE=0 -DPACK=4
// variant: -DX_TYPE=1 -DPACK=8
// variant: -DX_TYPE=1 -DPACK=1
#include "element.cuh"
#include "fp8.cuh"
#include "succession.cuh"

typedef ElementOf<X_TYPE>::type X;

#define THREADS 256
#define LARGEST 448.0f
#define SMALLEST_SCALE 1.17549435e-38f

struct Arguments {
    const X *values;
    unsigned char *matrix; // Of the first of the rows, as the scales.
    float *scales;
    long stride;
    long pitch;
    int columns;
};

// PACK neighbours, as many as 16 bytes hold; or 1, where rows are not aligned or no multiple of it.
template <class T> __device__ __forceinline__ void load_values(const T *source, float (&values)[1]) { values[0] = widen(*source); }
template <class T, int Count> __device__ __forceinline__ void load_values(const T *source, float (&values)[Count]) { load_pack(source, values); }

__device__ __forceinline__ void store_rounded(unsigned char *place, const float (&values)[1]) { *place = (unsigned char)round_pair(values[0], 0.0f); }
__device__ __forceinline__ void store_rounded(unsigned char *place, const float (&values)[4]) {
    *reinterpret_cast<unsigned *>(place) = round_pair(values[0], values[1]) | round_pair(values[2], values[3]) << 16;
}
__device__ __forceinline__ void store_rounded(unsigned char *place, const float (&values)[8]) {
    *reinterpret_cast<uint2 *>(place) = make_uint2(
        round_pair(values[0], values[1]) | round_pair(values[2], values[3]) << 16,
        round_pair(values[4], values[5]) | round_pair(values[6], values[7]) << 16);
}

// A block a row.
extern "C" __global__ void __launch_bounds__(THREADS) fp8_store(const __grid_constant__ Arguments a) {
    follow_previous();
    __shared__ unsigned magnitudes[THREADS / 32];
    const X *row = a.values + blockIdx.x * a.stride;
    // Magnitudes are ordered like their bits, infinities and NaNs above all numbers.
    unsigned largest = 0;
    for (int column = PACK * threadIdx.x; column < a.columns; column += PACK * THREADS) {
        float values[PACK];
        load_values(row + column, values);
#pragma unroll
        for (int i = 0; i < PACK; i++) {
            largest = max(largest, __float_as_uint(values[i]) & 0x7fffffffu);
        }
    }
    for (int offset = 16; offset > 0; offset >>= 1) {
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
    }
    if (threadIdx.x % 32 == 0) {
        magnitudes[threadIdx.x / 32] = largest;
    }
    __syncthreads();
    for (int w = 0; w < THREADS / 32; w++) {
        largest = max(largest, magnitudes[w]);
    }
    float scale = __fdiv_rn(__uint_as_float(largest), LARGEST);
    if (largest >= 0x7f800000u || scale < SMALLEST_SCALE) {
        scale = 1.0f;
    }
    if (threadIdx.x == 0) {
        a.scales[blockIdx.x] = scale;
    }
    unsigned char *target = a.matrix + blockIdx.x * a.pitch;
    for (int column = PACK * threadIdx.x; column < a.pitch; column += PACK * THREADS) {
        float values[PACK] = {};
        if (column < a.columns) {
            load_values(row + column, values);
        }
#pragma unroll
        for (int i = 0; i < PACK; i++) {
            values[i] = __fdiv_rn(values[i], scale);
        }
        store_rounded(target + column, values);
    }
}

struct WidenArguments {
    const unsigned char *matrix;
    bf16 *values; // [rows, pitch]
    long count;   // Of bytes, a multiple of 16.
};

// All numbers as they are stored, without their scales: exact in bf16.
extern "C" __global__ void __launch_bounds__(THREADS) fp8_widen(const __grid_constant__ WidenArguments a) {
    long at = 16 * ((long)blockIdx.x * THREADS + threadIdx.x);
    if (at < a.count) {
        uint4 q = __ldcs(reinterpret_cast<const uint4 *>(a.matrix + at)), first, second;
        widen_four(q.x, first.x, first.y), widen_four(q.y, first.z, first.w);
        widen_four(q.z, second.x, second.y), widen_four(q.w, second.z, second.w);
        reinterpret_cast<uint4 *>(a.values + at)[0] = first;
        reinterpret_cast<uint4 *>(a.values + at)[1] = second;
    }
}
