// Y (=, +=) X·Wᵀ for few tokens and a weight in E4M3 with a scale a row: the weight is read once, as it lies, past the caches, and
// becomes bf16, exactly, on its way to the tensor cores. A block's 16 outputs meet 8 or 16 tokens; its warps take runs of 256 columns in
// turn, and their sums are added in order: an element's bits depend on the number of columns alone.
// variant: -DX_TYPE=1 -DY_TYPE=1 -DTOKEN_TILES=1 -DALIGNED=1
// variant: -DX_TYPE=1 -DY_TYPE=0 -DTOKEN_TILES=2 -DALIGNED=0
// variant: -DX_TYPE=0 -DY_TYPE=0 -DTOKEN_TILES=1 -DALIGNED=0
#include "element.cuh"
#include "fp8.cuh"
#include "tensor.cuh"
#include "succession.cuh"

typedef ElementOf<X_TYPE>::type X;
typedef ElementOf<Y_TYPE>::type Y;

#define WARPS 8
// Columns that a warp's lanes load at once, and how many such pieces are under way.
#define PIECE 64
#define AHEAD 4
#define RUN (AHEAD * PIECE)
// Blocks that a multiprocessor holds, and that an H100 holds at once.
#define RESIDENT 3
#define FIRST_BLOCKS (132 * RESIDENT)

struct Arguments {
    const X *x;
    const unsigned char *w;
    const float *scales;
    Y *y;
    long x_stride;
    long pitch;
    long y_stride;
    int tokens;
    int outputs;
    int inputs;
    int accumulate;
};

// 16 neighbours of a token as bf16: zeros behind its last. Eight registers of two.
__device__ __forceinline__ void load_token(const X *row, int column, int inputs, bool present, unsigned (&x)[8]) {
#if ALIGNED
    uint4 low = make_uint4(0, 0, 0, 0), high = low;
    if (present && column < inputs) {
        low = __ldg(reinterpret_cast<const uint4 *>(row + column));
        high = __ldg(reinterpret_cast<const uint4 *>(row + column) + 1);
    }
    x[0] = low.x, x[1] = low.y, x[2] = low.z, x[3] = low.w;
    x[4] = high.x, x[5] = high.y, x[6] = high.z, x[7] = high.w;
#else
#pragma unroll
    for (int i = 0; i < 8; i++) {
        float first = present && column + 2 * i < inputs ? widen(row[column + 2 * i]) : 0.0f;
        float second = present && column + 2 * i + 1 < inputs ? widen(row[column + 2 * i + 1]) : 0.0f;
        x[i] = narrow_pair(first, second);
    }
#endif
}

// Which column stands at which place of an instruction's sum does not matter as long as both operands agree: a lane has 16 neighbours
// of a row, four for each of four instructions.
extern "C" __global__ void __launch_bounds__(32 * WARPS, RESIDENT) fp8_few(const __grid_constant__ Arguments a) {
    __shared__ float partial[WARPS][8 * TOKEN_TILES][17];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group = lane >> 2, quarter = lane & 3;
    int first_output = blockIdx.x * 16;
    const X *tokens = a.x + (long)blockIdx.y * 8 * TOKEN_TILES * a.x_stride;
    int count = a.tokens - blockIdx.y * 8 * TOKEN_TILES;

    // Rows behind the last repeat it; nothing is stored for them.
    const unsigned char *upper = a.w + min(first_output + group, a.outputs - 1) * a.pitch + 16 * quarter;
    const unsigned char *lower = a.w + min(first_output + group + 8, a.outputs - 1) * a.pitch + 16 * quarter;

    // The tokens may not be there yet; the first weights come nearer meanwhile.
    if (blockIdx.x < FIRST_BLOCKS && RUN * warp + 16 * quarter < a.pitch) {
        ask_for(upper + RUN * warp);
        ask_for(lower + RUN * warp);
    }
    await_previous();
    float sums[TOKEN_TILES][4] = {};
    uint4 nothing = make_uint4(0, 0, 0, 0);
    for (int first = RUN * warp; first < a.pitch; first += RUN * WARPS) {
        // The weights of several pieces are under way before the first is used.
        uint4 top[AHEAD], bottom[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int column = first + i * PIECE;
            bool exists = column + 16 * quarter < a.pitch;
            top[i] = exists ? __ldcs(reinterpret_cast<const uint4 *>(upper + column)) : nothing;
            bottom[i] = exists ? __ldcs(reinterpret_cast<const uint4 *>(lower + column)) : nothing;
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int column = first + i * PIECE + 16 * quarter;
            unsigned x[TOKEN_TILES][8];
#pragma unroll
            for (int tile = 0; tile < TOKEN_TILES; tile++) {
                int token = 8 * tile + group;
                load_token(tokens + token * a.x_stride, column, a.inputs, token < count, x[tile]);
            }
            unsigned high[4] = {top[i].x, top[i].y, top[i].z, top[i].w}, low[4] = {bottom[i].x, bottom[i].y, bottom[i].z, bottom[i].w};
#pragma unroll
            for (int part = 0; part < 4; part++) {
                unsigned high0, high1, low0, low1;
                widen_four(high[part], high0, high1);
                widen_four(low[part], low0, low1);
#pragma unroll
                for (int tile = 0; tile < TOKEN_TILES; tile++) {
                    multiply_add(sums[tile], high0, low0, high1, low1, x[tile][2 * part], x[tile][2 * part + 1]);
                }
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
    for (int at = threadIdx.x; at < 16 * 8 * TOKEN_TILES; at += 32 * WARPS) {
        int output = at % 16, token = at / 16;
        if (token < count && first_output + output < a.outputs) {
            float sum = partial[0][token][output];
            for (int w = 1; w < WARPS; w++) {
                sum += partial[w][token][output];
            }
            sum *= a.scales[first_output + output];
            Y *y = a.y + (blockIdx.y * 8 * TOKEN_TILES + token) * a.y_stride + first_output + output;
            narrow(a.accumulate ? widen(*y) + sum : sum, *y);
        }
    }
}
