// Tiles of bf16 rows in panels for products of warpgroups. Needs HEAD_DIM, a multiple of 8, rows aligned to 16 bytes, and WARPGROUPS,
// how many a block has.
#pragma once
#include "attention_panels.cuh"
#include "warpgroup.cuh"

constexpr int GroupThreads = 128 * WARPGROUPS;
constexpr int Chunks = PANEL_WIDTH / 8;
constexpr int RowStep = GroupThreads / Chunks; // A multiple of 8, so a thread stays in its place of the permutation.
static_assert(GroupThreads % Chunks == 0 && RowStep % 8 == 0, "64, 128 or 256 elements");

// Starts copying `count` rows that lie `stride` apart to rows `first` … of a tile of Tile rows; zeros up to Rows.
template <int Tile, int Rows> __device__ __forceinline__ void load_panels(unsigned char *tile, int first, const bf16 *source, long stride, int count) {
    const int row = (int)threadIdx.x / Chunks, chunk = (int)threadIdx.x % Chunks;
    unsigned char *destination = tile + first * 128 + panel_offset<Tile>(row, chunk);
    source += row * stride + chunk * 8;
    count = chunk * 8 < HEAD_DIM ? count : 0;
#pragma unroll
    for (int i = 0; i < (Rows + RowStep - 1) / RowStep; i++) {
        if (Rows % RowStep == 0 || row + i * RowStep < Rows) {
            copy_async<16>(destination + i * RowStep * 128, source, row + i * RowStep < count);
        }
        source += RowStep * stride;
    }
}

// Starts copying rows [first, first + Rows) below `count` of packed heads; zeros for the others.
template <int Rows> __device__ __forceinline__ void load_head_panels(unsigned char *tile, const PackedHeads<const bf16> &heads, int first, int count) {
    const int row = (int)threadIdx.x / Chunks, chunk = (int)threadIdx.x % Chunks;
    unsigned char *destination = tile + panel_offset<Rows>(row, chunk);
    static_assert(Rows % RowStep == 0, "whole steps");
#pragma unroll
    for (int i = 0; i < Rows / RowStep; i++) {
        int at = first + row + i * RowStep;
        bool present = at < count && chunk * 8 < HEAD_DIM;
        copy_async<16>(destination + i * RowStep * 128, heads.row(present ? at : 0) + chunk * 8, present);
    }
}
