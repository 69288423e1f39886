// What the kernels of the pipelined backward share: sums of dQ in f32 until all keys have been added. Needs HEAD_DIM.
#pragma once
#include "attention_panels.cuh"
#include "pipeline.cuh"

// AttentionPipelinedBackwardArguments in C#.
struct AttentionPipelinedBackwardArguments {
    TensorMap queries, grads, keys, values;
    AttentionBackwardArguments call;
    float *sums;    // [K, tokens · G, PANEL_WIDTH]: dQ before it is scaled and rounded
    int *turns;     // [K, tokens]: how many blocks have added to the tile that begins with this query
    long tile_rows; // Rows of a tile: Rows or below, a multiple of the group.
};

// As many as keep a block's shared memory.
constexpr int Rows = PANEL_WIDTH == 64 ? 128 : 64;

// Where eight elements of a tile's row lie in its sums: permuted, so that eight neighbouring rows are in different banks.
__device__ __forceinline__ int sum_block(int row, int block) { return block ^ (row & 7); }
