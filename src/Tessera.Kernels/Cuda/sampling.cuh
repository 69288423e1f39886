// What the kernels of TokenSampling share. A row of logits is cut into parts of fixed size, so that a few rows keep a whole card busy and
// the bits do not depend on how many rows there are.
//
//   sampling_maximum    the likeliest token of each part
//   sampling_histogram  for rows with top-k or top-p: counts and masses of the scores of each part, added into the row's bins
//   sampling_select     for these rows: the rank of the last token that is kept
//   sampling_draw       the best of logit / temperature + noise of each part, and its sum of exponentials
//   sampling_finish     the token, and its log-probability
#pragma once
#include "rows.cuh"

// Tokens of a part, and threads that share it.
#define PART 4096
#define PART_THREADS 256
#define BINS 2048

#define NO_TOKEN 0x7fffffff
#define LOWEST -1.7976931348623157e308

typedef ElementOf<LOGITS>::type logits_t;

// The layout of SamplingRow in C#.
struct Row {
    unsigned long long seed;
    float temperature;
    float top_p;
    int top_k;
    int position;
};

struct Best {
    double value;
    int id;
    int padding;
};

// What a token is ranked by: score, then logit, then the lower id; larger is better. Scores are cut to steps of 2^-27.
struct Rank {
    unsigned word[3];
};

__device__ __forceinline__ Rank rank_of(float logit, int id, double score) {
    // Adding zero makes one zero of the two.
    unsigned bits = __float_as_uint(logit + 0.0f);
    Rank rank = {{~(unsigned)(-score * 134217728.0), bits & 0x80000000u ? ~bits : bits | 0x80000000u, ~(unsigned)id}};
    return rank;
}

__device__ __forceinline__ bool reaches(const Rank &rank, const Rank &threshold) {
    for (int w = 0; w < 3; w++) {
        if (rank.word[w] != threshold.word[w]) {
            return rank.word[w] > threshold.word[w];
        }
    }
    return true;
}

// The bins of a row's scores: 1/64 wide, the likeliest token in the last.
struct Bins {
    unsigned long long masses[BINS];
    unsigned counts[BINS];
};

struct Arguments {
    const logits_t *logits;
    const Row *rows;
    int *tokens;
    float *log_probs;
    Best *maxima;
    Best *draws;
    double *sums;
    Bins *bins;
    Rank *thresholds;
    long stride;
    int vocabulary;
    int parts;
};

__device__ __forceinline__ bool truncates(const Row &row) {
    return row.temperature > 0.0f && (row.top_k > 0 || row.top_p < 1.0f);
}

// Of two tokens the one with the larger value, of equals the lower id.
__device__ __forceinline__ void better(double value, int id, Best &best) {
    if (value > best.value || (value == best.value && id < best.id)) {
        best.value = value;
        best.id = id;
    }
}

// The best over a block of whole warps; every thread gets it.
__device__ __forceinline__ Best block_best(Best best) {
    __shared__ Best room[32];
    for (int round = 0; round < 2; round++) {
        for (int offset = 16; offset > 0; offset >>= 1) {
            double value = __shfl_xor_sync(0xffffffffu, best.value, offset);
            int id = __shfl_xor_sync(0xffffffffu, best.id, offset);
            better(value, id, best);
        }
        if (round == 0) {
            __syncthreads();
            if ((threadIdx.x & 31) == 0) {
                room[threadIdx.x >> 5] = best;
            }
            __syncthreads();
            best = room[(threadIdx.x & 31) % (blockDim.x >> 5)];
        }
    }
    return best;
}

// The best of the parts of a row.
__device__ __forceinline__ Best row_best(const Best *parts, int count) {
    Best best = {LOWEST, NO_TOKEN, 0};
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        better(parts[i].value, parts[i].id, best);
    }
    return block_best(best);
}
