// The product of QuantizedLinear.cu for many tokens, on the tensor cores: one m16n8k32 instruction makes the exact sums of one group of 16
// rows and 8 tokens; what follows is the same arithmetic in the same order, so the bits do not depend on which kernel ran. W_BITS: 8 or 4.
// variant: -DY_TYPE=0 -DW_BITS=8
// variant: -DY_TYPE=1 -DW_BITS=4
#include "element.cuh"
#include "grouped.cuh"

// A block has 4 warps, each with one tile of 16 rows and 8 · TOKEN_TILES tokens.
#define WARPS 4
#define TOKEN_TILES 4

typedef ElementOf<Y_TYPE>::type Y;

struct Arguments {
    const unsigned char *weight;
    const signed char *bytes;
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

// sums += A·B: unsigned bytes of rows group and group + 8, signed bytes of token group, with group = lane / 4. Which columns a lane brings does not
// matter as long as both operands agree; here lane % 4 has the columns 8·(lane % 4) to 8·(lane % 4) + 7.
__device__ __forceinline__ void multiply_add_bytes(int (&sums)[4], uint2 upper, uint2 lower, int2 tokens) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(upper.x), "r"(lower.x), "r"(upper.y), "r"(lower.y), "r"(tokens.x), "r"(tokens.y));
}

extern "C" __global__ void __launch_bounds__(32 * WARPS) quantized_product_many(const __grid_constant__ Arguments a) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group_row = lane >> 2, quarter = lane & 3;
    int tile = blockIdx.y * WARPS + warp, token0 = blockIdx.x * 8 * TOKEN_TILES;
    if (tile * TILE_ROWS >= a.outputs) {
        return;
    }
    const unsigned char *record = a.weight + (long)tile * a.groups * RECORD_BYTES(W_BITS);
    float sums[TOKEN_TILES][4] = {};
#pragma unroll 2
    for (int group = 0; group < a.groups; group++, record += RECORD_BYTES(W_BITS)) {
        uint2 upper = two_steps<W_BITS>(record, group_row, quarter), lower = two_steps<W_BITS>(record, group_row + 8, quarter);
        float upper_scale = scale_of<W_BITS>(record, group_row), lower_scale = scale_of<W_BITS>(record, group_row + 8);
#pragma unroll
        for (int n = 0; n < TOKEN_TILES; n++) {
            // Tokens behind the last have scales and starts, up to the width, that nobody set, and their sums are not stored.
            int token = token0 + 8 * n + group_row, pair = token0 + 8 * n + 2 * quarter;
            int2 bytes = make_int2(0, 0), starts = make_int2(0, 0);
            float2 scales = make_float2(0.0f, 0.0f);
            if (token < a.tokens) {
                bytes = *reinterpret_cast<const int2 *>(a.bytes + ((long)token * a.groups + group) * GROUP + 8 * quarter);
            }
            if (pair < a.tokens) {
                starts = *reinterpret_cast<const int2 *>(a.starts + (long)group * a.width + pair);
                scales = *reinterpret_cast<const float2 *>(a.scales + (long)group * a.width + pair);
            }
            int dots[4] = {starts.x, starts.y, starts.x, starts.y};
            multiply_add_bytes(dots, upper, lower, bytes);
            sums[n][0] = __fadd_rn(sums[n][0], __fmul_rn(__fmul_rn((float)dots[0], scales.x), upper_scale));
            sums[n][1] = __fadd_rn(sums[n][1], __fmul_rn(__fmul_rn((float)dots[1], scales.y), upper_scale));
            sums[n][2] = __fadd_rn(sums[n][2], __fmul_rn(__fmul_rn((float)dots[2], scales.x), lower_scale));
            sums[n][3] = __fadd_rn(sums[n][3], __fmul_rn(__fmul_rn((float)dots[3], scales.y), lower_scale));
        }
    }

#pragma unroll
    for (int n = 0; n < TOKEN_TILES; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int token = token0 + 8 * n + 2 * quarter + e % 2, output = tile * TILE_ROWS + group_row + e / 2 * 8;
            if (token < a.tokens && output < a.outputs) {
                Y *y = a.y + token * a.stride + output;
                narrow(a.accumulate ? __fadd_rn(widen(*y), sums[n][e]) : sums[n][e], *y);
            }
        }
    }
}
