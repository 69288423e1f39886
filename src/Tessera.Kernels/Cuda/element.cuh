// Elements of kernels: f32 and bf16 storage, f32 arithmetic, one rounding at the store. Nothing is included from the toolkit, so that
// the run-time compiler alone is enough.
#pragma once

// The values of DType in C#.
#define F32 0
#define BF16 1

// The run-time compiler has no header that names these.
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif

// bfloat16: the upper half of a binary32.
struct bf16 {
    unsigned short bits;
};

template <int Type> struct ElementOf;
template <> struct ElementOf<F32> { typedef float type; };
template <> struct ElementOf<BF16> { typedef bf16 type; };

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }

// Round to nearest, ties to even; NaN stays NaN.
__device__ __forceinline__ void narrow(float x, float &y) { y = x; }
__device__ __forceinline__ void narrow(float x, bf16 &y) { asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); }

// Two f32 as a register of two bf16; `low` lies first in memory.
__device__ __forceinline__ unsigned narrow_pair(float low, float high) {
    unsigned pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
__device__ __forceinline__ float low_of(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_of(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

// Neighbours that one 16-byte access moves.
template <class T> struct Pack {
    static const int Count = 16 / (int)sizeof(T);
};

// Loads 16 bytes, aligned, as f32.
__device__ __forceinline__ void load_pack(const float *source, float (&values)[4]) {
    float4 pack = *reinterpret_cast<const float4 *>(source);
    values[0] = pack.x, values[1] = pack.y, values[2] = pack.z, values[3] = pack.w;
}
__device__ __forceinline__ void load_pack(const bf16 *source, float (&values)[8]) {
    uint4 pack = *reinterpret_cast<const uint4 *>(source);
    values[0] = low_of(pack.x), values[1] = high_of(pack.x), values[2] = low_of(pack.y), values[3] = high_of(pack.y);
    values[4] = low_of(pack.z), values[5] = high_of(pack.z), values[6] = low_of(pack.w), values[7] = high_of(pack.w);
}

// Stores 16 bytes, aligned, rounding once.
__device__ __forceinline__ void store_pack(float *destination, const float (&values)[4]) {
    *reinterpret_cast<float4 *>(destination) = make_float4(values[0], values[1], values[2], values[3]);
}
__device__ __forceinline__ void store_pack(bf16 *destination, const float (&values)[8]) {
    *reinterpret_cast<uint4 *>(destination) = make_uint4(
        narrow_pair(values[0], values[1]), narrow_pair(values[2], values[3]), narrow_pair(values[4], values[5]),
        narrow_pair(values[6], values[7]));
}

// Asks for the line of an address, so that it is in the second-level cache when it is read.
__device__ __forceinline__ void ask_for(const void *address) { asm volatile("prefetch.global.L2 [%0];" ::"l"(address)); }

// Sums and maxima of a warp in a fixed order; every lane gets the result.
__device__ __forceinline__ float warp_sum(float x) {
    for (int offset = 16; offset > 0; offset >>= 1) {
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    }
    return x;
}
__device__ __forceinline__ float warp_max(float x) {
    for (int offset = 16; offset > 0; offset >>= 1) {
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
    }
    return x;
}

// Sum over a block of whole warps in a fixed order; every thread gets it. `room` is shared memory for 32 floats.
__device__ __forceinline__ float block_sum(float x, float *room) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    x = warp_sum(x);
    __syncthreads();
    if (lane == 0) {
        room[warp] = x;
    }
    __syncthreads();
    x = lane < warps ? room[lane] : 0.0f;
    return warp_sum(x);
}
__device__ __forceinline__ float block_max(float x, float *room) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    x = warp_max(x);
    __syncthreads();
    if (lane == 0) {
        room[warp] = x;
    }
    __syncthreads();
    x = lane < warps ? room[lane] : room[0];
    return warp_max(x);
}
