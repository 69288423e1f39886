// Y (=, +=) X·Wᵀ with a weight of int8 or int4 groups, with the integers, scales and roundings of the processor's kernels, so that f32
// tokens give the same bits on both. Layout of the weight: GroupedMatrix in C#; a tile of 16 rows has one record a group of 32 columns,
// in it eight steps (int8) or four pairs of steps (int4) of one dword a row, then 16 binary16 scales. W_BITS: 8 or 4.
#include "element.cuh"

#define GROUP 32
#define ROWS 16

// ---- Tokens to signed bytes -------------------------------------------------------------------------------------------------------

#ifdef X_TYPE

typedef ElementOf<X_TYPE>::type X;

struct RoundArguments {
    const X *x;
    signed char *bytes;
    float *scales;
    int *starts;
    long stride;
    int tokens;
    int columns;
    int groups;
    int offset;
};

// One warp a group of one token: bytes [tokens, groups, 32], scales and starts [tokens, groups]. A start is what makes up for weights
// being stored without sign: minus their offset times the sum of the bytes.
extern "C" __global__ void __launch_bounds__(256) quantized_round(const __grid_constant__ RoundArguments a) {
    long index = (long)blockIdx.x * 8 + threadIdx.x / 32;
    int lane = threadIdx.x & 31, token = (int)(index / a.groups), group = (int)(index % a.groups);
    if (token >= a.tokens) {
        return;
    }
    int column = GROUP * group + lane;
    float x = column < a.columns ? widen(a.x[token * a.stride + column]) : 0.0f;
    bool is_number = __all_sync(0xffffffffu, fabsf(x) < INFINITY);
    float magnitude = warp_max(fabsf(x)), scale = magnitude / 127.0f;
    int q = 0;
    if (!is_number) {
        scale = NAN;
    } else if (magnitude >= 1e-36f) {
        q = (int)rintf(__fmul_rn(x, 127.0f / magnitude));
    } else {
        scale = 0.0f;
    }
    int sum = q;
    for (int offset = 16; offset > 0; offset >>= 1) {
        sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    }
    a.bytes[index * GROUP + lane] = (signed char)q;
    if (lane == 0) {
        a.scales[index] = scale;
        a.starts[index] = -a.offset * sum;
    }
}

#else

// ---- Product ----------------------------------------------------------------------------------------------------------------------

typedef ElementOf<Y_TYPE>::type Y;

#define RECORD_BYTES (ROWS * (W_BITS * GROUP / 8 + 2))
#define SLOTS 16

struct ProductArguments {
    const unsigned char *weight;
    const int *bytes;
    const float *scales;
    const int *starts;
    Y *y;
    long stride;
    int tokens;
    int outputs;
    int groups;
    int accumulate;
};

__device__ __forceinline__ float widen_half(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

// Unsigned bytes of a weight times signed bytes of a token.
__device__ __forceinline__ int dot(unsigned weights, int token, int sum) {
    asm("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(weights), "r"(token));
    return sum;
}

// A block has one tile of 16 rows and TOKENS tokens. Sixteen groups are multiplied at a time, one a thread and row; then a thread for
// every element adds their products in order.
extern "C" __global__ void __launch_bounds__(256) quantized_product(const __grid_constant__ ProductArguments a) {
    __shared__ float products[2][SLOTS][TOKENS * ROWS];
    int row = threadIdx.x % ROWS, slot = threadIdx.x / ROWS, token0 = blockIdx.y * TOKENS;
    const unsigned char *tile = a.weight + (long)blockIdx.x * a.groups * RECORD_BYTES;
    float sum = 0.0f;
    int turn = 0;
    for (int first = 0; first < a.groups; first += SLOTS, turn ^= 1) {
        int group = first + slot;
        if (group < a.groups) {
            const unsigned char *record = tile + (long)group * RECORD_BYTES;
            const unsigned *integers = reinterpret_cast<const unsigned *>(record) + row;
            unsigned weights[8];
#pragma unroll
            for (int step = 0; step < 8; step++) {
                if (W_BITS == 8) {
                    weights[step] = integers[step * ROWS];
                } else if (step % 2 == 0) {
                    unsigned pair = integers[step / 2 * ROWS];
                    weights[step] = pair & 0x0f0f0f0fu;
                    weights[step + 1] = (pair >> 4) & 0x0f0f0f0fu;
                }
            }
            float scale = widen_half(reinterpret_cast<const unsigned short *>(record + RECORD_BYTES - 2 * ROWS)[row]);
#pragma unroll
            for (int t = 0; t < TOKENS; t++) {
                float product = 0.0f;
                if (token0 + t < a.tokens) {
                    long index = (long)(token0 + t) * a.groups + group;
                    const int4 *bytes = reinterpret_cast<const int4 *>(a.bytes) + 2 * index;
                    int4 low = bytes[0], high = bytes[1];
                    int dots = a.starts[index];
                    dots = dot(weights[0], low.x, dots), dots = dot(weights[1], low.y, dots);
                    dots = dot(weights[2], low.z, dots), dots = dot(weights[3], low.w, dots);
                    dots = dot(weights[4], high.x, dots), dots = dot(weights[5], high.y, dots);
                    dots = dot(weights[6], high.z, dots), dots = dot(weights[7], high.w, dots);
                    product = __fmul_rn(__fmul_rn((float)dots, a.scales[index]), scale);
                }
                products[turn][slot][t * ROWS + row] = product;
            }
        }

        // One barrier a turn: what is written next was last read before the barrier of this turn.
        __syncthreads();
        if (threadIdx.x < TOKENS * ROWS) {
            int present = min(SLOTS, a.groups - first);
            for (int s = 0; s < present; s++) {
                sum = __fadd_rn(sum, products[turn][s][threadIdx.x]);
            }
        }
    }

    int token = token0 + slot, output = blockIdx.x * ROWS + row;
    if (slot < TOKENS && token < a.tokens && output < a.outputs) {
        Y *y = a.y + token * a.stride + output;
        narrow(a.accumulate ? __fadd_rn(widen(*y), sum) : sum, *y);
    }
}

#endif
