// Conversions between f32, bf16 and binary16. Specialisations: FROM, TO (F32, BF16, F16), PACK.
// variant: -DFROM=0 -DTO=1 -DPACK=8
// variant: -DFROM=1 -DTO=0 -DPACK=4
// variant: -DFROM=0 -DTO=2 -DPACK=8
// variant: -DFROM=2 -DTO=0 -DPACK=4
// variant: -DFROM=2 -DTO=1 -DPACK=1
#include "rows.cuh"
#include "succession.cuh"

#define F16 2
struct f16 {
    unsigned short bits;
};
template <> struct ElementOf<F16> { typedef f16 type; };

typedef ElementOf<FROM>::type from_t;
typedef ElementOf<TO>::type to_t;

__device__ __forceinline__ float exactly(float x) { return x; }
__device__ __forceinline__ float exactly(bf16 x) { return widen(x); }
__device__ __forceinline__ float exactly(f16 x) {
    // The instruction forgets which NaN it was; the sign stays here.
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y == y ? y : __uint_as_float((unsigned)(x.bits & 0x8000) << 16 | 0x7fc00000u | (unsigned)(x.bits & 0x3ff) << 13);
}

// As Bf16.Round: a NaN becomes quiet and keeps sign and upper payload, which the instruction does not.
__device__ __forceinline__ void rounded(float x, bf16 &y) {
    unsigned bits = __float_as_uint(x);
    y.bits = (unsigned short)(x == x ? (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16 : bits >> 16 | 0x40u);
}
__device__ __forceinline__ void rounded(float x, f16 &y) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    y.bits = x == x ? y.bits : (unsigned short)((__float_as_uint(x) >> 16 & 0x8000u) | 0x7e00u);
}
__device__ __forceinline__ void rounded(float x, float &y) { y = x; }

template <class T> struct alignas(PACK * sizeof(T) < 16 ? PACK * sizeof(T) : 16) Neighbours {
    T element[PACK];
};

struct Arguments {
    const from_t *source;
    to_t *target;
    long count;
};

extern "C" __global__ void __launch_bounds__(256) convert(const __grid_constant__ Arguments a) {
    follow_previous();
    long stride = (long)gridDim.x * 256 * PACK, i = ((long)blockIdx.x * 256 + threadIdx.x) * PACK;
    for (; i + PACK <= a.count; i += stride) {
        Neighbours<from_t> source = *(const Neighbours<from_t> *)(a.source + i);
        Neighbours<to_t> target;
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            rounded(exactly(source.element[p]), target.element[p]);
        }
        *(Neighbours<to_t> *)(a.target + i) = target;
    }
    // One thread comes to the end in the middle of a pack.
    for (; i < a.count && i + PACK > a.count; i++) {
        rounded(exactly(a.source[i]), a.target[i]);
    }
}
