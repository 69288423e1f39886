// What the kernels with roles share: tiles asked for by one warp, whole ones by tensor maps, and the rest row by row with zeros behind
// the last. Needs HEAD_DIM, a multiple of 8.
#pragma once
#include "attention_panels.cuh"
#include "pipeline.cuh"
#include "warpgroup.cuh"

constexpr int Panels = PANEL_WIDTH / 64;
constexpr int Chunks = PANEL_WIDTH / 8;

// The segment (x) and its tile (y) at `index` among all tiles of all segments, in the order of find_tile; by a whole warp.
// False behind the last.
__device__ __forceinline__ bool find_tile_by_warp(
    const Segment *segments, int count, int least, int factor, int size, bool from_end, int index, int2 &found) {
    const int lane = threadIdx.x & 31;
    for (int first = 0; first < count; first += 32) {
        const int at = first + lane, s = from_end ? count - 1 - at : at;
        const int own = at < count ? tiles_of(segments[s], least, factor, size) : 0;
        int through = own;
        for (int offset = 1; offset < 32; offset <<= 1) {
            int below = __shfl_up_sync(0xffffffffu, through, offset);
            through += lane >= offset ? below : 0;
        }
        const unsigned behind = __ballot_sync(0xffffffffu, index < through);
        if (behind != 0) {
            const int owner = __ffs((int)behind) - 1, place = index - (through - own);
            found.x = __shfl_sync(0xffffffffu, s, owner);
            found.y = __shfl_sync(0xffffffffu, from_end ? own - 1 - place : place, owner);
            return true;
        }
        index -= __shfl_sync(0xffffffffu, through, 31);
    }
    return false;
}

// A warp fills a tile of Rows rows: row r < count lies at `row_at(r)`, the others are zeros. Then the barrier gets one arrival.
template <int Rows, class RowAt> __device__ __forceinline__ void put_rows(unsigned char *tile, int count, Barrier &barrier, RowAt row_at) {
    const int lane = threadIdx.x & 31;
#pragma unroll 2
    for (int at = lane; at < Rows * Chunks; at += 32) {
        const int row = at / Chunks, chunk = at % Chunks;
        const bool present = row < count && chunk * 8 < HEAD_DIM;
        copy_async<16>(tile + panel_offset<Rows>(row, chunk), row_at(present ? row : 0) + (present ? chunk * 8 : 0), present);
    }
    end_copies();
    wait_copies<0>();
    show_to_tensor_cores();
    __syncwarp();
    if (lane == 0) {
        barrier.arrive();
    }
}

// As put_rows, by the block's first warp, which goes on at once: the barrier's phase ends when everything is there, and who waits for
// it shows the rows to the tensor cores.
template <int Rows, class RowAt> __device__ __forceinline__ void ask_for_rows(unsigned char *tile, int count, Barrier &barrier, RowAt row_at) {
    constexpr int step = 32 / Chunks;
    const int chunk = (int)threadIdx.x % Chunks;
#pragma unroll 2
    for (int row = (int)threadIdx.x / Chunks; row < Rows; row += step) {
        const bool present = row < count && chunk * 8 < HEAD_DIM;
        copy_async<16>(tile + panel_offset<Rows>(row, chunk), row_at(present ? row : 0) + (present ? chunk * 8 : 0), present);
    }
    barrier.arrive_with_copies();
    __syncwarp();
    if (threadIdx.x == 0) {
        barrier.arrive();
    }
}
