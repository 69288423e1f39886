// Y (=, +=) X·Wᵀ for few tokens: the weight is read once, as it lies, past the caches. The warps of a block share its rows' columns;
// their sums are added in order, so that an element's bits depend on the number of columns alone.
// variant: -DX_TYPE=1 -DW_TYPE=1 -DY_TYPE=0 -DTOKEN_TILES=2 -DWARPS=16
// variant: -DX_TYPE=0 -DW_TYPE=1 -DY_TYPE=1 -DTOKENS=8 -DPACK=4
// variant: -DX_TYPE=1 -DW_TYPE=0 -DY_TYPE=1 -DTOKENS=4 -DPACK=1
#include "element.cuh"
#include "tensor.cuh"
#include "succession.cuh"

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

#define AHEAD 4
// Blocks that an H100 holds at once.
#define FIRST_BLOCKS (132 * 64 / WARPS)

// bf16 tokens and weight with 16-byte aligned rows of a multiple of 8: a block's 16 outputs meet 8 or 16 tokens on the tensor cores. Its
// WARPS warps take pieces of 32 columns in turn. Which column stands at which place of the instruction's sum does not matter as long as
// both operands agree, so a lane loads 8 neighbours at once: the first four serve one instruction, the others the next.
extern "C" __global__ void __launch_bounds__(32 * WARPS) linear_few_tensor(const __grid_constant__ Arguments a) {
    __shared__ float partial[WARPS][8 * TOKEN_TILES][17];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group = lane >> 2, quarter = lane & 3;
    int first_output = blockIdx.x * 16;

    // Rows behind the last repeat it; nothing is stored for them.
    const W *upper = a.w + min(first_output + group, a.outputs - 1) * a.w_stride;
    const W *lower = a.w + min(first_output + group + 8, a.outputs - 1) * a.w_stride;

    // The tokens may not be there yet; the first weights come nearer meanwhile. More of them, or those of blocks that come later, would
    // only be asked for twice.
    int ahead = 32 * warp + 8 * quarter;
    if (blockIdx.x < FIRST_BLOCKS && ahead < a.inputs) {
        ask_for(upper + ahead);
        ask_for(lower + ahead);
    }
    await_previous();
    float sums[TOKEN_TILES][4] = {};
    uint4 nothing = make_uint4(0, 0, 0, 0);
    for (int first = 32 * warp; first < a.inputs; first += AHEAD * 32 * WARPS) {
        // The weights of several pieces are under way before the first is used.
        uint4 top[AHEAD], bottom[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int column = first + i * 32 * WARPS + 8 * quarter;
            top[i] = column < a.inputs ? __ldcs(reinterpret_cast<const uint4 *>(upper + column)) : nothing;
            bottom[i] = column < a.inputs ? __ldcs(reinterpret_cast<const uint4 *>(lower + column)) : nothing;
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int column = first + i * 32 * WARPS + 8 * quarter;
#pragma unroll
            for (int tile = 0; tile < TOKEN_TILES; tile++) {
                int token = 8 * tile + group;
                bool present = column < a.inputs && token < a.tokens;
                uint4 x = present ? __ldg(reinterpret_cast<const uint4 *>(a.x + token * a.x_stride + column)) : nothing;
                multiply_add(sums[tile], top[i].x, bottom[i].x, top[i].y, bottom[i].y, x.x, x.y);
                multiply_add(sums[tile], top[i].z, bottom[i].z, top[i].w, bottom[i].w, x.z, x.w);
            }
        }
    }

    // Not before: blocks of the next product that come while this one's still leave crowd the multiprocessors that are free first.
    admit_next();
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

// Any types, by plain multiply-adds: a block has 16 outputs, four a warp, and up to TOKENS tokens; four warps share the columns. Tokens
// are read again for every four outputs, from the first-level cache, which is why a block has more. PACK neighbours of a row at
// once: 4, or 1 where rows are not aligned or no multiple of it.
#define OUTPUTS 4
#define SHARES 4
#define THREADS 512

template <class T> __device__ __forceinline__ void load_neighbours(const T *source, float (&values)[1], bool) {
    values[0] = widen(*source);
}
__device__ __forceinline__ void load_neighbours(const float *source, float (&values)[4], bool streams) {
    const float4 *place = reinterpret_cast<const float4 *>(source);
    float4 pack = streams ? __ldcs(place) : __ldg(place);
    values[0] = pack.x, values[1] = pack.y, values[2] = pack.z, values[3] = pack.w;
}
__device__ __forceinline__ void load_neighbours(const bf16 *source, float (&values)[4], bool streams) {
    const uint2 *place = reinterpret_cast<const uint2 *>(source);
    uint2 pack = streams ? __ldcs(place) : __ldg(place);
    values[0] = low_of(pack.x), values[1] = high_of(pack.x), values[2] = low_of(pack.y), values[3] = high_of(pack.y);
}

extern "C" __global__ void __launch_bounds__(THREADS) linear_few(const __grid_constant__ Arguments a) {
    __shared__ float partial[SHARES][TOKENS][4 * OUTPUTS];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, share = warp % SHARES, place = warp / SHARES * OUTPUTS;
    int first_output = blockIdx.x * 4 * OUTPUTS;
    await_previous();
    float sums[OUTPUTS][TOKENS] = {};
    const int ahead = TOKENS <= 2 ? 4 : TOKENS <= 4 ? 2 : 1;
#pragma unroll ahead
    for (int column = PACK * (32 * share + lane); column < a.inputs; column += PACK * 32 * SHARES) {
        float weights[OUTPUTS][PACK];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) {
            // Rows behind the last repeat it; nothing is stored for them.
            load_neighbours(a.w + min(first_output + place + o, a.outputs - 1) * a.w_stride + column, weights[o], true);
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

    admit_next();
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
#pragma unroll
        for (int t = 0; t < TOKENS; t++) {
            float sum = warp_sum(sums[o][t]);
            if (lane == 0) {
                partial[share][t][place + o] = sum;
            }
        }
    }
    __syncthreads();
    int output = threadIdx.x % 16, token = threadIdx.x / 16;
    if (token < TOKENS && token < a.tokens && first_output + output < a.outputs) {
        float sum = partial[0][token][output];
        for (int s = 1; s < SHARES; s++) {
            sum += partial[s][token][output];
        }
        Y *y = a.y + token * a.y_stride + first_output + output;
        narrow(a.accumulate ? widen(*y) + sum : sum, *y);
    }
}

#endif
