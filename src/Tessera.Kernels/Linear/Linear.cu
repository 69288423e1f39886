// Y (=, +=) X·Wᵀ for few tokens: the weight is read once, as it lies, past the caches. The warps of a block share its rows' columns;
// their sums are added in order, so that an element's bits depend on the number of columns alone.
#include "element.cuh"

#ifdef TOKEN_TILES
#include "tensor.cuh"
#endif

#define WARPS 8

typedef ElementOf<X_TYPE>::type X;
typedef ElementOf<W_TYPE>::type W;
typedef ElementOf<Y_TYPE>::type Y;

struct Arguments {
    const X *x;
    const W *w;
    Y *y;
    long x_stride;
    long w_stride;
    long y_stride;
    int tokens;
    int outputs;
    int inputs;
    int accumulate;
};

#ifdef TOKEN_TILES

// bf16 tokens and weight with 16-byte aligned rows of a multiple of 8: a block's 16 outputs meet 8 or 16 tokens on the tensor cores. A
// warp takes every eighth piece of 32 columns. Which column stands at which place of the instruction's sum does not matter as long as
// both operands agree, so a lane loads 8 neighbours at once: the first four serve one instruction, the others the next.
extern "C" __global__ void __launch_bounds__(32 * WARPS) linear_few_tensor(const __grid_constant__ Arguments a) {
    __shared__ float partial[WARPS][8 * TOKEN_TILES][17];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group = lane >> 2, quarter = lane & 3;
    int first_output = blockIdx.x * 16;

    // Rows behind the last repeat it; nothing is stored for them.
    const W *upper = a.w + min(first_output + group, a.outputs - 1) * a.w_stride;
    const W *lower = a.w + min(first_output + group + 8, a.outputs - 1) * a.w_stride;
    float sums[TOKEN_TILES][4] = {};
#pragma unroll 4
    for (int piece = 32 * warp; piece < a.inputs; piece += 32 * WARPS) {
        int column = piece + 8 * quarter;
        bool exists = column < a.inputs;
        uint4 nothing = make_uint4(0, 0, 0, 0);
        uint4 top = exists ? __ldcs(reinterpret_cast<const uint4 *>(upper + column)) : nothing;
        uint4 bottom = exists ? __ldcs(reinterpret_cast<const uint4 *>(lower + column)) : nothing;
#pragma unroll
        for (int tile = 0; tile < TOKEN_TILES; tile++) {
            int token = 8 * tile + group;
            bool present = exists && token < a.tokens;
            uint4 x = present ? __ldg(reinterpret_cast<const uint4 *>(a.x + token * a.x_stride + column)) : nothing;
            multiply_add(sums[tile], top.x, bottom.x, top.y, bottom.y, x.x, x.y);
            multiply_add(sums[tile], top.z, bottom.z, top.w, bottom.w, x.z, x.w);
        }
    }

#pragma unroll
    for (int tile = 0; tile < TOKEN_TILES; tile++) {
        int token = 8 * tile + 2 * quarter;
        partial[warp][token][group] = sums[tile][0];
        partial[warp][token + 1][group] = sums[tile][1];
        partial[warp][token][group + 8] = sums[tile][2];
        partial[warp][token + 1][group + 8] = sums[tile][3];
    }
    __syncthreads();
    int output = threadIdx.x % 16, token = threadIdx.x / 16;
    if (token < a.tokens && token < 8 * TOKEN_TILES && first_output + output < a.outputs) {
        float sum = partial[0][token][output];
        for (int w = 1; w < WARPS; w++) {
            sum += partial[w][token][output];
        }
        Y *y = a.y + token * a.y_stride + first_output + output;
        narrow(a.accumulate ? widen(*y) + sum : sum, *y);
    }
}

#else

// Any types, by plain multiply-adds: a block has OUTPUTS outputs and up to TOKENS tokens. PACK neighbours of a row at once, 1 where rows
// are not aligned or no multiple of it.
#define OUTPUTS 4

template <class T> __device__ __forceinline__ void load_neighbours(const T *source, float (&values)[PACK], bool streams) {
    if (PACK == 1) {
        values[0] = widen(*source);
    } else if (sizeof(T) == 4) {
#pragma unroll
        for (int i = 0; i < PACK / 4; i++) {
            const float4 *place = reinterpret_cast<const float4 *>(source) + i;
            float4 pack = streams ? __ldcs(place) : __ldg(place);
            values[4 * i] = pack.x, values[4 * i + 1] = pack.y, values[4 * i + 2] = pack.z, values[4 * i + 3] = pack.w;
        }
    } else {
#pragma unroll
        for (int i = 0; i < PACK / 4; i++) {
            const uint2 *place = reinterpret_cast<const uint2 *>(source) + i;
            uint2 pack = streams ? __ldcs(place) : __ldg(place);
            values[4 * i] = low_of(pack.x), values[4 * i + 1] = high_of(pack.x);
            values[4 * i + 2] = low_of(pack.y), values[4 * i + 3] = high_of(pack.y);
        }
    }
}

extern "C" __global__ void __launch_bounds__(32 * WARPS) linear_few(const __grid_constant__ Arguments a) {
    __shared__ float partial[WARPS][OUTPUTS * TOKENS];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, first_output = blockIdx.x * OUTPUTS;
    float sums[OUTPUTS][TOKENS] = {};
    for (int column = PACK * threadIdx.x; column < a.inputs; column += PACK * 32 * WARPS) {
        float weights[OUTPUTS][PACK];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) {
            load_neighbours(a.w + min(first_output + o, a.outputs - 1) * a.w_stride + column, weights[o], true);
        }
#pragma unroll
        for (int t = 0; t < TOKENS; t++) {
            if (t < a.tokens) {
                float x[PACK];
                load_neighbours(a.x + t * a.x_stride + column, x, false);
#pragma unroll
                for (int i = 0; i < PACK; i++) {
#pragma unroll
                    for (int o = 0; o < OUTPUTS; o++) {
                        sums[o][t] = __fmaf_rn(weights[o][i], x[i], sums[o][t]);
                    }
                }
            }
        }
    }

#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
#pragma unroll
        for (int t = 0; t < TOKENS; t++) {
            float sum = warp_sum(sums[o][t]);
            if (lane == 0) {
                partial[warp][o * TOKENS + t] = sum;
            }
        }
    }
    __syncthreads();
    int output = threadIdx.x % OUTPUTS, token = threadIdx.x / OUTPUTS;
    if (token < TOKENS && token < a.tokens && first_output + output < a.outputs) {
        float sum = partial[0][output * TOKENS + token];
        for (int w = 1; w < WARPS; w++) {
            sum += partial[w][output * TOKENS + token];
        }
        Y *y = a.y + token * a.y_stride + first_output + output;
        narrow(a.accumulate ? widen(*y) + sum : sum, *y);
    }
}

#endif
