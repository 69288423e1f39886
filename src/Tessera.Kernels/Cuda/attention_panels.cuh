// Results of warpgroups on their way to rows in global memory. Needs HEAD_DIM.
#pragma once
#include "attention_tiles.cuh"

// Elements of a head, with zeros up to whole panels.
#define PANEL_WIDTH ((HEAD_DIM + 63) / 64 * 64)

// Rows for results: 16 bytes more than a row keep eight neighbouring rows in different banks.
constexpr int ResultStride = PANEL_WIDTH + 8;

// One warp rounds its 16 rows, times a factor for each, and writes them to where `target(row)` says; null is nowhere.
template <int N, class Target>
__device__ __forceinline__ void store_panels(bf16 *result, const float (&sums)[N][4], float upper, float lower, Target target) {
    const int lane = threadIdx.x & 31;
    __syncwarp();
#pragma unroll
    for (int n = 0; n < N; n++) {
        bf16 *at = result + (lane >> 2) * ResultStride + n * 8 + (lane & 3) * 2;
        *reinterpret_cast<unsigned *>(at) = narrow_pair(sums[n][0] * upper, sums[n][1] * upper);
        *reinterpret_cast<unsigned *>(at + 8 * ResultStride) = narrow_pair(sums[n][2] * lower, sums[n][3] * lower);
    }
    __syncwarp();
    constexpr int vectors = HEAD_DIM / 8;
    for (int at = lane; at < 16 * vectors; at += 32) {
        int row = at / vectors, column = at % vectors * 8;
        bf16 *destination = target(row);
        if (destination != 0) {
            *reinterpret_cast<uint4 *>(destination + column) = *reinterpret_cast<const uint4 *>(result + row * ResultStride + column);
        }
    }
}
