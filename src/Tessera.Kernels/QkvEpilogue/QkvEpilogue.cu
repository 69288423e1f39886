// Bias, norm of query and key heads, rotation of a packed projection, in place. Specialisations: ROWS (element type of the projection, its
// gradient and the saved input of the norm), BIAS, GAIN (element types), PACK, LANES and CHUNKS: LANES threads of a warp share a head,
// each with CHUNKS packs of pairs (element j with element j + E/2).
// variant: -DROWS=0 -DBIAS=0 -DGAIN=0 -DPACK=1 -DLANES=32 -DCHUNKS=2
// variant: -DROWS=1 -DBIAS=0 -DGAIN=1 -DPACK=8 -DLANES=8 -DCHUNKS=1
// variant: -DROWS=1 -DBIAS=1 -DGAIN=0 -DPACK=8 -DLANES=1 -DCHUNKS=1
#include "rows.cuh"
#include "succession.cuh"

#define THREADS 256
#define GROUPS (THREADS / LANES)

typedef ElementOf<ROWS>::type row_t;
typedef ElementOf<GAIN>::type gain_t;

struct Arguments {
    row_t *rows;
    const ElementOf<BIAS>::type *bias;
    const gain_t *query_gain;
    const gain_t *key_gain;
    const int *positions;
    const float *cosines;
    const float *sines;
    row_t *norm_input;
    float *inverse_rms;
    float *partials;
    int tokens;
    int heads;
    int kv_heads;
    int touched_heads;
    int half;
    int covered;
    float epsilon;
};

// Sum over the threads of a head; all of them get it.
template <class T> __device__ __forceinline__ T head_sum(T x) {
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset >>= 1) {
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    }
    return x;
}

// (x, y) rotated by ±θ of a position, CHUNKS packs of pairs. A position beyond the table is the caller's mistake; nothing is read for it.
__device__ __forceinline__ void rotate(
    const Arguments &a, int position, float direction, int lane, float (&x)[CHUNKS][PACK], float (&y)[CHUNKS][PACK]) {
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int j = (c * LANES + lane) * PACK;
        if (j < a.half && (unsigned)position < (unsigned)a.covered) {
            float cosine[PACK], sine[PACK];
            load_values(a.cosines + (long)position * a.half + j, cosine);
            load_values(a.sines + (long)position * a.half + j, sine);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                float s = direction * sine[p], first = x[c][p];
                x[c][p] = first * cosine[p] - y[c][p] * s;
                y[c][p] = y[c][p] * cosine[p] + first * s;
            }
        }
    }
}

// What lies beyond the head is zero.
__device__ __forceinline__ double squares_in_double(const float (&x)[CHUNKS][PACK], const float (&y)[CHUNKS][PACK]) {
    double sum = 0.0;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            sum += (double)x[c][p] * x[c][p] + (double)y[c][p] * y[c][p];
        }
    }
    return sum;
}

// Heads of a token from 0 to touched_heads: the value heads only where there is a bias.
extern "C" __global__ void __launch_bounds__(THREADS) qkv_forward(const __grid_constant__ Arguments a) {
    follow_previous();
    int lane = threadIdx.x % LANES;
    long item = (long)blockIdx.x * GROUPS + threadIdx.x / LANES;
    // Threads behind the last head work on it once more without storing: sums need whole warps.
    bool stores = item < (long)a.tokens * a.touched_heads;
    item = stores ? item : (long)a.tokens * a.touched_heads - 1;
    long token = item / a.touched_heads;
    int head = (int)(item - token * a.touched_heads), width = (a.heads + 2 * a.kv_heads) * 2 * a.half;
    row_t *row = a.rows + token * width + (long)head * 2 * a.half;
    float x[CHUNKS][PACK] = {}, y[CHUNKS][PACK] = {}, squares = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int j = (c * LANES + lane) * PACK;
        if (j >= a.half) {
            continue;
        }
        load_values(row + j, x[c]);
        load_values(row + a.half + j, y[c]);
        if (a.bias) {
            float left[PACK], right[PACK];
            load_values(a.bias + head * 2 * a.half + j, left);
            load_values(a.bias + head * 2 * a.half + a.half + j, right);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                x[c][p] += left[p];
                y[c][p] += right[p];
            }
        }
        if (a.query_gain && head < a.heads + a.kv_heads) {
            // What is normalised is the input as it is saved, also where nothing is saved: the backward sees no other.
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                x[c][p] = as_stored(x[c][p], row);
                y[c][p] = as_stored(y[c][p], row);
            }
            if (a.norm_input && stores) {
                row_t *saved = a.norm_input + (token * (a.heads + a.kv_heads) + head) * 2 * a.half;
                store_values(saved + j, x[c]);
                store_values(saved + a.half + j, y[c]);
            }
        }
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            squares = fmaf(x[c][p], x[c][p], squares);
            squares = fmaf(y[c][p], y[c][p], squares);
        }
    }

    if (a.query_gain) {
        float sum = head_sum(squares), scale = 1.0f / sqrtf(sum / (2 * a.half) + a.epsilon);
        if (__any_sync(0xffffffffu, !(sum <= LARGEST))) {
            double wide = head_sum(squares_in_double(x, y));
            scale = sum <= LARGEST ? scale : (float)(1.0 / sqrt(wide / (2 * a.half) + (double)a.epsilon));
        }
        if (head < a.heads + a.kv_heads) {
            const gain_t *gain = head < a.heads ? a.query_gain : a.key_gain;
            if (a.inverse_rms && stores && lane == 0) {
                a.inverse_rms[token * (a.heads + a.kv_heads) + head] = scale;
            }
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                int j = (c * LANES + lane) * PACK;
                if (j < a.half) {
                    float left[PACK], right[PACK];
                    load_values(gain + j, left);
                    load_values(gain + a.half + j, right);
#pragma unroll
                    for (int p = 0; p < PACK; p++) {
                        x[c][p] *= scale * left[p];
                        y[c][p] *= scale * right[p];
                    }
                }
            }
        }
    }

    if (head < a.heads + a.kv_heads) {
        rotate(a, a.positions[token], 1.0f, lane, x, y);
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int j = (c * LANES + lane) * PACK;
        if (stores && j < a.half) {
            store_values(row + j, x[c]);
            store_values(row + a.half + j, y[c]);
        }
    }
}

// One head of one token: rotated back, then through the norm; the gain's gradient is added to left and right.
__device__ __forceinline__ void head_backward(
    const Arguments &a, long token, int head, bool stores, int lane, float (&left)[CHUNKS][PACK], float (&right)[CHUNKS][PACK]) {
    row_t *row = a.rows + token * ((a.heads + 2 * a.kv_heads) * 2 * a.half) + (long)head * 2 * a.half;
    float x[CHUNKS][PACK] = {}, y[CHUNKS][PACK] = {};
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int j = (c * LANES + lane) * PACK;
        if (j < a.half) {
            load_values(row + j, x[c]);
            load_values(row + a.half + j, y[c]);
        }
    }
    rotate(a, a.positions[token], -1.0f, lane, x, y);

    if (a.query_gain) {
        long place = token * (a.heads + a.kv_heads) + head;
        const row_t *saved = a.norm_input + place * 2 * a.half;
        const gain_t *gain = head < a.heads ? a.query_gain : a.key_gain;
        float scale = a.inverse_rms[place], dot = 0.0f;
        float normal_x[CHUNKS][PACK] = {}, normal_y[CHUNKS][PACK] = {};
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            int j = (c * LANES + lane) * PACK;
            if (j >= a.half) {
                continue;
            }
            float gain_x[PACK], gain_y[PACK];
            load_values(saved + j, normal_x[c]);
            load_values(saved + a.half + j, normal_y[c]);
            load_values(gain + j, gain_x);
            load_values(gain + a.half + j, gain_y);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                normal_x[c][p] *= scale;
                normal_y[c][p] *= scale;
                left[c][p] += stores ? x[c][p] * normal_x[c][p] : 0.0f;
                right[c][p] += stores ? y[c][p] * normal_y[c][p] : 0.0f;
                x[c][p] *= gain_x[p];
                y[c][p] *= gain_y[p];
                dot = fmaf(x[c][p], normal_x[c][p], dot);
                dot = fmaf(y[c][p], normal_y[c][p], dot);
            }
        }
        float mean = head_sum(dot) / (2 * a.half);
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                x[c][p] = scale * (x[c][p] - normal_x[c][p] * mean);
                y[c][p] = scale * (y[c][p] - normal_y[c][p] * mean);
            }
        }
    }

#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int j = (c * LANES + lane) * PACK;
        if (stores && j < a.half) {
            store_values(row + j, x[c]);
            store_values(row + a.half + j, y[c]);
        }
    }
}

// The grid stays: a group of threads takes every n-th head. blockIdx.y 0 are the query heads, 1 the key heads. Partial gradients of the gains
// lie as [2][gridDim.x][2·half].
extern "C" __global__ void __launch_bounds__(THREADS) qkv_backward(const __grid_constant__ Arguments a) {
    __shared__ float room[THREADS * CHUNKS * PACK * 2];
    int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    int heads = blockIdx.y == 0 ? a.heads : a.kv_heads, first_head = blockIdx.y == 0 ? 0 : a.heads;
    long items = (long)a.tokens * heads;
    float left[CHUNKS][PACK] = {}, right[CHUNKS][PACK] = {};
    for (long base = (long)blockIdx.x * GROUPS; base < items; base += (long)gridDim.x * GROUPS) {
        bool stores = base + group < items;
        long item = stores ? base + group : items - 1;
        long token = item / heads;
        head_backward(a, token, first_head + (int)(item - token * heads), stores, lane, left, right);
    }

    if (!a.partials) {
        return;
    }
    // A group's row of the room: 2·LANES·CHUNKS·PACK numbers, left halves first.
    const int padded = LANES * CHUNKS * PACK;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            int j = (c * LANES + lane) * PACK + p;
            room[group * 2 * padded + j] = left[c][p];
            room[group * 2 * padded + padded + j] = right[c][p];
        }
    }
    __syncthreads();
    for (int e = threadIdx.x; e < 2 * a.half; e += THREADS) {
        int place = e < a.half ? e : padded + e - a.half;
        float sum = 0.0f;
        for (int g = 0; g < GROUPS; g++) {
            sum += room[g * 2 * padded + place];
        }
        a.partials[((long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * a.half + e] = sum;
    }
}
