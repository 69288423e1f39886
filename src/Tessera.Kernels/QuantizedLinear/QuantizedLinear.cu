// Y (=, +=) X·Wᵀ with a weight of int8 or int4 groups, with the integers, scales and roundings of the processor's kernels, so that f32
// tokens give the same bits on both: here the rounding of tokens, and the product of few of them. W_BITS: 8 or 4.
// variant: -DX_TYPE=0
// variant: -DX_TYPE=1
// variant: -DY_TYPE=0 -DW_BITS=8 -DTOKENS=1
// variant: -DY_TYPE=1 -DW_BITS=4 -DTOKENS=4
#include "element.cuh"
#include "grouped.cuh"
#include "succession.cuh"

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
    int width;
    int offset;
};

// One warp a group of one token: bytes [tokens, groups, 32]; scales and starts [groups, width], width being the tokens rounded up to a
// multiple of 8. A start is what makes up for weights being stored without sign: minus their offset times the sum of the bytes.
extern "C" __global__ void __launch_bounds__(256) quantized_round(const __grid_constant__ RoundArguments a) {
    follow_previous();
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
        a.scales[(long)group * a.width + token] = scale;
        a.starts[(long)group * a.width + token] = -a.offset * sum;
    }
}

#else

typedef ElementOf<Y_TYPE>::type Y;

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
    int width;
    int accumulate;
};

// Unsigned bytes of a weight times signed bytes of a token.
__device__ __forceinline__ int dot(unsigned weights, int token, int sum) {
    asm("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(weights), "r"(token));
    return sum;
}

// A block has one tile of 16 rows and TOKENS tokens. Sixteen groups are multiplied at a time, one a thread and row; then a thread for
// every element adds their products in order.
extern "C" __global__ void __launch_bounds__(256) quantized_product(const __grid_constant__ ProductArguments a) {
    __shared__ float products[2][SLOTS][TOKENS * TILE_ROWS];
    int row = threadIdx.x % TILE_ROWS, slot = threadIdx.x / TILE_ROWS, token0 = blockIdx.y * TOKENS;
    const unsigned char *tile = a.weight + (long)blockIdx.x * a.groups * RECORD_BYTES(W_BITS);
    await_previous();
    float sum = 0.0f;
    int turn = 0;
    for (int first = 0; first < a.groups; first += SLOTS, turn ^= 1) {
        int group = first + slot;
        if (group < a.groups) {
            const unsigned char *record = tile + (long)group * RECORD_BYTES(W_BITS);
            uint2 weights[4];
#pragma unroll
            for (int pair = 0; pair < 4; pair++) {
                weights[pair] = two_steps<W_BITS>(record, row, pair);
            }
            float scale = scale_of<W_BITS>(record, row);
#pragma unroll
            for (int t = 0; t < TOKENS; t++) {
                float product = 0.0f;
                if (token0 + t < a.tokens) {
                    long index = (long)(token0 + t) * a.groups + group;
                    const int4 *bytes = reinterpret_cast<const int4 *>(a.bytes) + 2 * index;
                    int4 low = bytes[0], high = bytes[1];
                    long entry = (long)group * a.width + token0 + t;
                    int dots = a.starts[entry];
                    dots = dot(weights[0].x, low.x, dots), dots = dot(weights[0].y, low.y, dots);
                    dots = dot(weights[1].x, low.z, dots), dots = dot(weights[1].y, low.w, dots);
                    dots = dot(weights[2].x, high.x, dots), dots = dot(weights[2].y, high.y, dots);
                    dots = dot(weights[3].x, high.z, dots), dots = dot(weights[3].y, high.w, dots);
                    product = __fmul_rn(__fmul_rn((float)dots, a.scales[entry]), scale);
                }
                products[turn][slot][t * TILE_ROWS + row] = product;
            }
        }

        // One barrier a turn: what is written next was last read before the barrier of this turn.
        __syncthreads();
        if (threadIdx.x < TOKENS * TILE_ROWS) {
            int present = min(SLOTS, a.groups - first);
            for (int s = 0; s < present; s++) {
                sum = __fadd_rn(sum, products[turn][s][threadIdx.x]);
            }
        }
    }

    admit_next();
    int token = token0 + slot, output = blockIdx.x * TILE_ROWS + row;
    if (slot < TOKENS && token < a.tokens && output < a.outputs) {
        Y *y = a.y + token * a.stride + output;
        narrow(a.accumulate ? __fadd_rn(widen(*y), sum) : sum, *y);
    }
}

#endif
