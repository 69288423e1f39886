// Softmax of rows of f32 logits: one block a row, one pass for the largest logit and the sum of exponentials, a second for the
// gradient, which takes the logits' place. Every operation on a head forms its normaliser here, so that their losses and
// log-probabilities agree to the bit. Rows are 16-byte aligned.
#pragma once
#include "element.cuh"

// How the gradient of a row is stored: none, f32 in place, or bf16 from the row's start on.
#define NO_GRADIENT 2

// Exponentials of (z − max)·factor: their sum and, where asked for, Σ x·e^x of x = (z − max)·factor.
struct Normaliser {
    float max;
    float sum;
    float moment;
};

// Raises the maximum to `max`. Both sums shrink; their terms have one sign each, so nothing cancels.
template <bool WithMoment> __device__ __forceinline__ void raise(Normaliser &n, float max, float factor) {
    if (max > n.max) {
        // Nothing was summed yet where the maximum is −∞; what is subtracted from itself there would not be a number.
        float shift = n.sum == 0.0f ? 0.0f : __fmul_rn(__fadd_rn(n.max, -max), factor);
        float shrink = expf(shift);
        if (WithMoment) {
            n.moment = __fmul_rn(__fmaf_rn(shift, n.sum, n.moment), shrink);
        }
        n.sum = __fmul_rn(n.sum, shrink);
        n.max = max;
    }
}

template <bool WithMoment> __device__ __forceinline__ void add_logit(Normaliser &n, float z, float factor) {
    float x = __fmul_rn(__fadd_rn(z, -n.max), factor), e = expf(x);
    n.sum = __fadd_rn(n.sum, e);
    if (WithMoment) {
        n.moment = __fmaf_rn(x, e, n.moment);
    }
}

// The normaliser of a row, for every thread. `room` is shared memory for 32 floats.
template <bool WithMoment> __device__ Normaliser normalise(const float *row, int count, float factor, float *room) {
    Normaliser n = {-INFINITY, 0.0f, 0.0f};
    int whole = count & ~3;
    for (int i = 4 * (int)threadIdx.x; i < whole; i += 4 * (int)blockDim.x) {
        float z[4];
        load_pack(row + i, z);
        raise<WithMoment>(n, fmaxf(fmaxf(z[0], z[1]), fmaxf(z[2], z[3])), factor);
        for (int j = 0; j < 4; j++) {
            add_logit<WithMoment>(n, z[j], factor);
        }
    }
    int last = whole + (int)threadIdx.x;
    if (last < count) {
        raise<WithMoment>(n, row[last], factor);
        add_logit<WithMoment>(n, row[last], factor);
    }
    raise<WithMoment>(n, block_max(n.max, room), factor);
    n.sum = block_sum(n.sum, room);
    if (WithMoment) {
        n.moment = block_sum(n.moment, room);
    }
    return n;
}

// −log softmax(z·factor) at the target.
__device__ __forceinline__ float negative_log_likelihood(const Normaliser &n, float target, float factor) {
    return (float)(log((double)n.sum) + ((double)n.max - (double)target) * (double)factor);
}

// Whether an id may be used as an index; the callers have checked it, a kernel must not trust that.
__device__ __forceinline__ bool is_entry(int target, int vocabulary) { return (unsigned)target < (unsigned)vocabulary; }

// Replaces a row of logits by map(index, logit). A gradient in bf16 begins where the row begins, so it covers logits that others have
// still to read: what one turn writes lies within what this turn and those before have read, and the barrier stands between.
template <int Type, class Map> __device__ __forceinline__ void replace_row(float *row, int count, const Map &map) {
    if (Type == F32) {
        int whole = count & ~3;
        for (int i = 4 * (int)threadIdx.x; i < whole; i += 4 * (int)blockDim.x) {
            float z[4];
            load_pack(row + i, z);
            for (int j = 0; j < 4; j++) {
                z[j] = map(i + j, z[j]);
            }
            store_pack(row + i, z);
        }
        int last = whole + (int)threadIdx.x;
        if (last < count) {
            row[last] = map(last, row[last]);
        }
    } else if (Type == BF16) {
        bf16 *gradient = reinterpret_cast<bf16 *>(row);
        for (int first = 0; first < count; first += 8 * (int)blockDim.x) {
            int i = first + 8 * (int)threadIdx.x, present = min(8, count - i);
            float z[8];
            if (present == 8) {
                float low[4], high[4];
                load_pack(row + i, low);
                load_pack(row + i + 4, high);
                for (int j = 0; j < 4; j++) {
                    z[j] = map(i + j, low[j]);
                    z[4 + j] = map(i + 4 + j, high[j]);
                }
            } else {
                for (int j = 0; j < 8; j++) {
                    z[j] = j < present ? map(i + j, row[i + j]) : 0.0f;
                }
            }
            __syncthreads();
            if (present == 8) {
                store_pack(gradient + i, z);
            } else {
                for (int j = 0; j < 8; j++) {
                    if (j < present) {
                        narrow(z[j], gradient[i + j]);
                    }
                }
            }
        }
    }
}

// The gradient of a row that is left out.
template <int Type> __device__ __forceinline__ void clear_row(float *row, int count) {
    if (Type == F32) {
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            row[i] = 0.0f;
        }
    } else if (Type == BF16) {
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            reinterpret_cast<bf16 *>(row)[i].bits = 0;
        }
    }
}
