// Y (=, +=) X·Wᵀ in bf16 on the tensor cores with one order of summation for any number of tokens: an element is the sum, in
// order, of pieces of 64 columns, each a chain of four m16n8k16 instructions, whatever the tile. The tensor cores cut what falls below a
// sum's last bit off instead of rounding it, which in one long chain would add up. Rows are 16-byte aligned and a multiple of 8 long.
// TILE_TOKENS × TILE_OUTPUTS: 128 × 128 (8 warps of 64 × 32), 64 × 64 (4 warps of 32 × 32) or 16 × 32 (4 warps of 16 × 8).
// variant: -DY_TYPE=1 -DTILE_TOKENS=128 -DTILE_OUTPUTS=128
// variant: -DY_TYPE=0 -DTILE_TOKENS=64 -DTILE_OUTPUTS=64
// variant: -DY_TYPE=0 -DTILE_TOKENS=16 -DTILE_OUTPUTS=32
#include "element.cuh"
#include "tensor.cuh"

#if TILE_TOKENS == 128
#define WARP_TOKENS 64
#define WARP_OUTPUTS 32
#define STAGES 3
#elif TILE_TOKENS == 64
#define WARP_TOKENS 32
#define WARP_OUTPUTS 32
#define STAGES 4
#else
#define WARP_TOKENS 16
#define WARP_OUTPUTS 8
#define STAGES 8
#endif
#define DEPTH 64
#define WARPS_ALONG_OUTPUTS (TILE_OUTPUTS / WARP_OUTPUTS)
#define THREADS (32 * (TILE_TOKENS / WARP_TOKENS) * WARPS_ALONG_OUTPUTS)

typedef ElementOf<Y_TYPE>::type Y;

struct Arguments {
    const bf16 *x;
    const bf16 *w;
    Y *y;
    long x_stride;
    long w_stride;
    long y_stride;
    int tokens;
    int outputs;
    int inputs;
    int accumulate;
};

// A row of a tile is 8 pieces of 16 bytes. Piece c of row r lies at place c ^ (r % 8), so that the eight rows of one 8 × 8 tile lie in
// eight different groups of banks.
__device__ __forceinline__ unsigned place_of(int row, int piece) { return 16u * (8 * row + (piece ^ (row & 7))); }

template <int Rows> __device__ __forceinline__ void copy_tile(
    unsigned target, const bf16 *source, long stride, int first_row, int rows, int first_column, int columns) {
#pragma unroll
    for (int i = 0; i < (Rows * 8 + THREADS - 1) / THREADS; i++) {
        int index = threadIdx.x + i * THREADS, row = index / 8, piece = index % 8;
        if (Rows * 8 % THREADS == 0 || row < Rows) {
            int r = first_row + row, column = first_column + 8 * piece;
            bool exists = r < rows && column < columns;
            copy_ahead(target + place_of(row, piece), exists ? source + r * stride + column : source, exists);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) linear_invariant(const __grid_constant__ Arguments a) {
    extern __shared__ __align__(128) unsigned char memory[];
    const unsigned x_bytes = TILE_TOKENS * DEPTH * 2, w_bytes = TILE_OUTPUTS * DEPTH * 2, stage_bytes = x_bytes + w_bytes;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int token0 = blockIdx.x * TILE_TOKENS, output0 = blockIdx.y * TILE_OUTPUTS;
    int warp_token = warp / WARPS_ALONG_OUTPUTS * WARP_TOKENS, warp_output = warp % WARPS_ALONG_OUTPUTS * WARP_OUTPUTS;
    unsigned base = shared_address(memory);
    int turns = (a.inputs + DEPTH - 1) / DEPTH;
    float sums[WARP_TOKENS / 16][WARP_OUTPUTS / 8][4] = {};

    auto fetch = [&](int turn) {
        if (turn < turns) {
            unsigned stage = base + turn % STAGES * stage_bytes;
            copy_tile<TILE_TOKENS>(stage, a.x, a.x_stride, token0, a.tokens, turn * DEPTH, a.inputs);
            copy_tile<TILE_OUTPUTS>(stage + x_bytes, a.w, a.w_stride, output0, a.outputs, turn * DEPTH, a.inputs);
        }
        close_copies();
    };
    for (int turn = 0; turn < STAGES - 1; turn++) {
        fetch(turn);
    }
    for (int turn = 0; turn < turns; turn++) {
        // Behind the barrier this turn's tiles are there for all, and the stage that is fetched next was read by all.
        wait_copies<STAGES - 2>();
        __syncthreads();
        fetch(turn + STAGES - 1);
        unsigned x_tile = base + turn % STAGES * stage_bytes, w_tile = x_tile + x_bytes;
        unsigned w[DEPTH / 16][WARP_OUTPUTS / 8][2];
#pragma unroll
        for (int step = 0; step < DEPTH / 16; step++) {
#pragma unroll
            for (int j = 0; j < WARP_OUTPUTS / 8; j += 2) {
                // Tiles: first and second eight columns of eight outputs, then of the next eight; a lone eight is loaded twice.
                int row = warp_output + 8 * j + (WARP_OUTPUTS == 8 ? 0 : lane / 16 * 8) + lane % 8;
                unsigned tiles[4];
                load_tiles(tiles, w_tile + place_of(row, 2 * step + lane / 8 % 2));
                w[step][j][0] = tiles[0], w[step][j][1] = tiles[1];
                if (j + 1 < WARP_OUTPUTS / 8) {
                    w[step][j + 1][0] = tiles[2], w[step][j + 1][1] = tiles[3];
                }
            }
        }
#pragma unroll
        for (int i = 0; i < WARP_TOKENS / 16; i++) {
            float part[WARP_OUTPUTS / 8][4] = {};
#pragma unroll
            for (int step = 0; step < DEPTH / 16; step++) {
                // Tiles: rows 0–7 and 8–15 of the first eight columns, then of the second.
                unsigned x[4];
                load_tiles(x, x_tile + place_of(warp_token + 16 * i + lane % 16, 2 * step + lane / 16));
#pragma unroll
                for (int j = 0; j < WARP_OUTPUTS / 8; j++) {
                    multiply_add(part[j], x[0], x[1], x[2], x[3], w[step][j][0], w[step][j][1]);
                }
            }
#pragma unroll
            for (int j = 0; j < WARP_OUTPUTS / 8; j++) {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    sums[i][j][e] += part[j][e];
                }
            }
        }
    }
    wait_copies<0>();

    int group = lane >> 2, quarter = lane & 3;
#pragma unroll
    for (int i = 0; i < WARP_TOKENS / 16; i++) {
#pragma unroll
        for (int j = 0; j < WARP_OUTPUTS / 8; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int token = token0 + warp_token + 16 * i + group + e / 2 * 8, output = output0 + warp_output + 8 * j + 2 * quarter + e % 2;
                if (token < a.tokens && output < a.outputs) {
                    Y *y = a.y + token * a.y_stride + output;
                    narrow(a.accumulate ? widen(*y) + sums[i][j][e] : sums[i][j][e], *y);
                }
            }
        }
    }
}
