// What the kernels with roles share: tiles asked for by one warp, whole ones by tensor maps, and the rest row by row with zeros behind
// the last. Needs HEAD_DIM, a multiple of 8.
#pragma once
#include "attention_panels.cuh"
#include "pipeline.cuh"
#include "warpgroup.cuh"

constexpr int Panels = PANEL_WIDTH / 64;
constexpr int Chunks = PANEL_WIDTH / 8;

// Finds tiles by a whole warp, in the order of find_tile; indices must not decrease from one search to the next.
struct TileSearch {
    int first = 0, before = 0; // Segments passed in that order, and their tiles.

    // The segment (x) and its tile (y) at `index` among all tiles of all segments; false behind the last.
    __device__ __forceinline__ bool find(
        const Segment *segments, int count, int least, int factor, int size, bool from_end, int index, int2 &found) {
        const int lane = threadIdx.x & 31;
        for (; first < count; first += 32) {
            const int at = first + lane, s = from_end ? count - 1 - at : at;
            const int own = at < count ? tiles_of(segments[s], least, factor, size) : 0;
            int through = own;
            for (int offset = 1; offset < 32; offset <<= 1) {
                int below = __shfl_up_sync(0xffffffffu, through, offset);
                through += lane >= offset ? below : 0;
            }
            const int place = index - before - (through - own);
            const unsigned behind = __ballot_sync(0xffffffffu, place < own);
            if (behind != 0) {
                const int owner = __ffs((int)behind) - 1;
                found.x = __shfl_sync(0xffffffffu, s, owner);
                found.y = __shfl_sync(0xffffffffu, from_end ? own - 1 - place : place, owner);
                return true;
            }
            before += __shfl_sync(0xffffffffu, through, 31);
        }
        return false;
    }
};

// A warp asks for a tile of Rows rows: row r < count lies at `row_at(r)`, the others are zeros. The barrier gets one arrival, and its
// phase ends when everything is there. Who waits for it shows the rows to the tensor cores.
template <int Rows, class RowAt> __device__ __forceinline__ void copy_rows(unsigned char *tile, int count, Barrier &barrier, RowAt row_at) {
    constexpr int step = 32 / Chunks;
    const int lane = threadIdx.x & 31, chunk = lane % Chunks;
#pragma unroll 2
    for (int row = lane / Chunks; row < Rows; row += step) {
        const bool present = row < count && chunk * 8 < HEAD_DIM;
        copy_async<16>(tile + panel_offset<Rows>(row, chunk), row_at(present ? row : 0) + (present ? chunk * 8 : 0), present);
    }
    barrier.arrive_with_copies();
    __syncwarp();
    if (lane == 0) {
        barrier.arrive();
    }
}

// These bits where not visible, in place: a choice between two registers takes a third, and there is none.
template <unsigned Bits> __device__ __forceinline__ void hide_unless(float &x, bool visible) {
    asm volatile("{.reg .pred p; setp.eq.b32 p, %1, 0; @p mov.b32 %0, %2;}" : "+f"(x) : "r"((int)visible), "n"(Bits));
}
