// Stands for the toolkit's built-in declarations where there is no toolkit: clang checks the syntax of kernels with it. The
// run-time compiler has its own and never sees this file.
#pragma once
#include <__clang_cuda_builtin_vars.h>

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __align__(n) __attribute__((aligned(n)))
// Syntax needs no more: clang 19 does not know the attribute.
#define __grid_constant__
#define __restrict__ __restrict

typedef unsigned long size_t;
struct __align__(8) float2 { float x, y; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(8) int2 { int x, y; };
struct __align__(16) int4 { int x, y, z, w; };
struct __align__(8) uint2 { unsigned x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };
struct __align__(16) double2 { double x, y; };
struct __align__(16) ulonglong2 { unsigned long long x, y; };
__device__ inline float2 make_float2(float x, float y) { return {x, y}; }
__device__ inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
__device__ inline int2 make_int2(int x, int y) { return {x, y}; }
__device__ inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
__device__ inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
__device__ inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

#define DECLARE(type) \
    __device__ type __shfl_sync(unsigned, type, int, int = 32); \
    __device__ type __shfl_xor_sync(unsigned, type, int, int = 32); \
    __device__ type __shfl_up_sync(unsigned, type, unsigned, int = 32); \
    __device__ type __shfl_down_sync(unsigned, type, unsigned, int = 32); \
    __device__ type min(type, type); \
    __device__ type max(type, type); \
    __device__ type __ldg(const type *); \
    __device__ type __ldcs(const type *); \
    __device__ void __stcs(type *, type); \
    __device__ type atomicAdd(type *, type); \
    __device__ type atomicMax(type *, type); \
    __device__ type atomicMin(type *, type); \
    __device__ type atomicExch(type *, type); \
    __device__ type atomicCAS(type *, type, type);
DECLARE(int)
DECLARE(unsigned)
DECLARE(long)
DECLARE(unsigned long)
DECLARE(long long)
DECLARE(unsigned long long)
DECLARE(float)
DECLARE(double)
#undef DECLARE
__device__ float4 __ldcs(const float4 *);
__device__ uint2 __ldcs(const uint2 *);
__device__ uint2 __ldg(const uint2 *);
__device__ uint4 __ldcs(const uint4 *);
__device__ uint4 __ldg(const uint4 *);
__device__ float4 __ldg(const float4 *);
__device__ void __stcs(float4 *, float4);
__device__ void __stcs(uint4 *, uint4);
__device__ void __syncwarp(unsigned = 0xffffffffu);
__device__ unsigned __ballot_sync(unsigned, int);
__device__ int __syncthreads_count(int);
__device__ int __any_sync(unsigned, int);
__device__ int __all_sync(unsigned, int);
__device__ unsigned __activemask();
__device__ unsigned __match_any_sync(unsigned, unsigned);
__device__ void __threadfence();
__device__ void __threadfence_block();
__device__ void __nanosleep(unsigned);
__device__ void __trap();
__device__ int __popc(unsigned);
__device__ int __clz(int);
__device__ int __ffs(int);
__device__ unsigned __umulhi(unsigned, unsigned);
__device__ unsigned long long __umul64hi(unsigned long long, unsigned long long);
__device__ unsigned __byte_perm(unsigned, unsigned, unsigned);
__device__ float __uint_as_float(unsigned);
__device__ unsigned __float_as_uint(float);
__device__ int __float_as_int(float);
__device__ float __int_as_float(int);
__device__ long long __double_as_longlong(double);
__device__ double __longlong_as_double(long long);
__device__ int __float2int_rn(float);
__device__ float __fmaf_rn(float, float, float);
__device__ float __fmul_rn(float, float);
__device__ float __fsub_rn(float, float);
__device__ float __fdiv_rn(float, float);
__device__ float __fadd_rn(float, float);
__device__ float __fdividef(float, float);
__device__ float __expf(float);
__device__ float __logf(float);
__device__ float fmaf(float, float, float);
__device__ float fmaxf(float, float);
__device__ float fminf(float, float);
__device__ float fabsf(float);
__device__ float sqrtf(float);
__device__ float rsqrtf(float);
__device__ float expf(float);
__device__ float exp2f(float);
__device__ float expm1f(float);
__device__ float logf(float);
__device__ float log1pf(float);
__device__ float log2f(float);
__device__ float cosf(float);
__device__ float sinf(float);
__device__ float tanhf(float);
__device__ float powf(float, float);
__device__ float floorf(float);
__device__ float ceilf(float);
__device__ float rintf(float);
__device__ float truncf(float);
__device__ float copysignf(float, float);
__device__ double fma(double, double, double);
__device__ double exp(double);
__device__ double log(double);
__device__ double sqrt(double);
__device__ double fabs(double);
__device__ double pow(double, double);
__device__ double ceil(double);
__device__ double cos(double);
__device__ double sin(double);
__device__ size_t __cvta_generic_to_shared(const void *);
extern "C" __device__ int printf(const char *, ...);
