// Gradients of queries from their sums over keys: scaled, rounded, and put where they belong. A block takes one tile of rows, as the
// pipelined backward cuts them. Defines: HEAD_DIM, VECTOR_BYTES (16).
// variant: -DHEAD_DIM=64 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
#include "attention_gradients.cuh"

constexpr int Threads = 256;
constexpr int Blocks = PANEL_WIDTH / 8;

extern "C" __global__ void __launch_bounds__(Threads) attention_backward_round(const __grid_constant__ AttentionPipelinedBackwardArguments given) {
    const AttentionBackwardArguments &a = given.call;
    const int kv_heads = a.heads / a.group, kv_head = blockIdx.x % kv_heads, tile_rows = (int)given.tile_rows;
    int2 found;
    if (!find_tile<Threads>(a.segments, a.segment_count, 1, a.group, tile_rows, false, found, blockIdx.x / kv_heads)) {
        return;
    }
    const Segment segment = a.segments[found.x];
    const int first_row = found.y * tile_rows, rows = min(segment.query_count * a.group - first_row, tile_rows);
    const float *sums = given.sums + (((long)kv_head * a.tokens + segment.query_start) * a.group + first_row) * PANEL_WIDTH;
    const PackedHeads<bf16> heads = {
        (bf16 *)a.grad_queries + segment.query_start * a.grad_stride + (long)kv_head * a.group * HEAD_DIM, a.grad_stride,
        a.group_reciprocal, a.group};
#pragma unroll 4
    for (int at = threadIdx.x; at < rows * Blocks; at += Threads) {
        const int row = at / Blocks, block = sum_block(row, at % Blocks);
        const float4 left = __ldcs(reinterpret_cast<const float4 *>(sums) + at * 2);
        const float4 right = __ldcs(reinterpret_cast<const float4 *>(sums) + at * 2 + 1);
        if (block * 8 < HEAD_DIM) {
            const float values[8] = {left.x * a.scale,  left.y * a.scale,  left.z * a.scale,  left.w * a.scale,
                                     right.x * a.scale, right.y * a.scale, right.z * a.scale, right.w * a.scale};
            store_pack(heads.row(first_row + row) + block * 8, values);
        }
    }
}
