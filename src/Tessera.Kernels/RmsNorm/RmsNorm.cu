// RMSNorm of rows. Specialisations: X, BRANCH, Y, GAIN (element types), ADDS (forward: the residual addition is part of it; backward:
// the gradient is added to what is there), PACK, WARPS, CHUNKS.
// variant: -DX=0 -DBRANCH=0 -DY=0 -DGAIN=0 -DADDS=0 -DPACK=1 -DWARPS=1 -DCHUNKS=1
// variant: -DX=1 -DBRANCH=1 -DY=1 -DGAIN=1 -DADDS=1 -DPACK=8 -DWARPS=4 -DCHUNKS=4
// variant: -DX=0 -DBRANCH=1 -DY=1 -DGAIN=0 -DADDS=1 -DPACK=8 -DWARPS=32 -DCHUNKS=2
#include "rows.cuh"
#include "succession.cuh"

typedef ElementOf<X>::type x_t;
typedef ElementOf<BRANCH>::type branch_t;
typedef ElementOf<Y>::type y_t;
typedef ElementOf<GAIN>::type gain_t;

struct ForwardArguments {
    const x_t *x;
    const branch_t *branch;
    x_t *updated;
    const gain_t *gain;
    y_t *y;
    float *inverse_rms;
    int tokens;
    int width;
    float epsilon;
};

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) rmsnorm_forward(const __grid_constant__ ForwardArguments a) {
    follow_previous();
    long token = (long)blockIdx.x * ROWS_OF_BLOCK + row_of_block();
    if (token >= a.tokens) {
        return;
    }

    int lane = lane_of_row();
    const x_t *x = a.x + token * a.width;
    float values[CHUNKS][PACK];
    float squares = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int i = (c * ROW_LANES + lane) * PACK;
        if (i >= a.width) {
            continue;
        }
        load_values(x + i, values[c]);
#if ADDS
        // What is normalised is the residual as it is stored: the backward sees no other.
        float branch[PACK];
        load_values(a.branch + token * a.width + i, branch);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            values[c][p] = as_stored(values[c][p] + branch[p], x);
        }
        store_values(a.updated + token * a.width + i, values[c]);
#endif
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            squares = fmaf(values[c][p], values[c][p], squares);
        }
    }

    float sum = row_sum(squares);
    float scale = 1.0f / sqrtf(sum / a.width + a.epsilon);
    if (!(sum <= LARGEST)) {
        double wide = 0.0;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                if ((c * ROW_LANES + lane) * PACK < a.width) {
                    wide += (double)values[c][p] * values[c][p];
                }
            }
        }
        scale = (float)(1.0 / sqrt(row_sum(wide) / a.width + (double)a.epsilon));
    }

    if (a.inverse_rms && lane == 0) {
        a.inverse_rms[token] = scale;
    }

#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int i = (c * ROW_LANES + lane) * PACK;
        if (i >= a.width) {
            continue;
        }
        float gain[PACK];
        load_values(a.gain + i, gain);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            values[c][p] *= scale * gain[p];
        }
        store_values(a.y + token * a.width + i, values[c]);
    }
}

struct BackwardArguments {
    const y_t *grad_y;
    const x_t *x;
    const float *inverse_rms;
    const gain_t *gain;
    branch_t *grad_x;
    float *partials;
    int tokens;
    int width;
};

// Whether a thread has registers for what it adds to, besides the row.
constexpr bool HasRoom = WARPS < 32;

// The grid stays: each row of threads takes every n-th token and keeps what its columns give to the gain's gradient in registers;
// partials [rows of threads, width] are added up by a second kernel. BRANCH is the type of the gradient of x.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) rmsnorm_backward(const __grid_constant__ BackwardArguments a) {
    int lane = lane_of_row(), first = blockIdx.x * ROWS_OF_BLOCK + row_of_block();
    float gains[CHUNKS][PACK];
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            gains[c][p] = 0.0f;
        }
    }

    for (long token = first; token < a.tokens; token += (long)gridDim.x * ROWS_OF_BLOCK) {
        long row = token * a.width;
        float scale = a.inverse_rms[token], dot = 0.0f;
        // While this row is worked on, the next comes nearer.
        long next = token + (long)gridDim.x * ROWS_OF_BLOCK;
        for (int i = lane * 8; i < a.width && next < a.tokens; i += ROW_LANES * 8) {
            ask_for(a.x + next * a.width + i);
            ask_for(a.grad_y + next * a.width + i);
            if (ADDS) {
                ask_for(a.grad_x + next * a.width + i);
            }
        }
        float normal[CHUNKS][PACK], gradient[CHUNKS][PACK], before[CHUNKS][PACK] = {};
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            int i = (c * ROW_LANES + lane) * PACK;
            if (i >= a.width) {
                continue;
            }
            float gain[PACK];
            load_values(a.x + row + i, normal[c]);
            load_values(a.grad_y + row + i, gradient[c]);
            load_values(a.gain + i, gain);
            if (ADDS && HasRoom) {
                load_values(a.grad_x + row + i, before[c]);
            }
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                normal[c][p] *= scale;
                gains[c][p] = fmaf(gradient[c][p], normal[c][p], gains[c][p]);
                gradient[c][p] *= gain[p];
                dot = fmaf(gradient[c][p], normal[c][p], dot);
            }
        }

        float mean = row_sum(dot) / a.width;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            int i = (c * ROW_LANES + lane) * PACK;
            if (i >= a.width) {
                continue;
            }
            if (ADDS && !HasRoom) {
                load_values(a.grad_x + row + i, before[c]);
            }
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                gradient[c][p] = scale * (gradient[c][p] - normal[c][p] * mean);
                gradient[c][p] += ADDS ? before[c][p] : 0.0f;
            }
            store_values(a.grad_x + row + i, gradient[c]);
        }
    }

    if (a.partials && first < a.tokens) {
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            int i = (c * ROW_LANES + lane) * PACK;
            if (i < a.width) {
                store_values(a.partials + (long)first * a.width + i, gains[c]);
            }
        }
    }
}
