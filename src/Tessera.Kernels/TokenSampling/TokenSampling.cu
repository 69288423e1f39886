// The likeliest tokens, the draw and its log-probability. Specialisations: LOGITS (element type).
// variant: -DLOGITS=0
// variant: -DLOGITS=1
#include "sampling.cuh"
#include "random.cuh"

// The largest noise that 32 bits give, and a score with which no token wins against the likeliest, whose noise is at least -3.14.
#define LARGEST_NOISE 22.9
#define HOPELESS -26.1
// More than the error of score and noise in f32.
#define NOISE_ERROR 1e-4f

extern "C" __global__ void __launch_bounds__(PART_THREADS) sampling_maximum(const __grid_constant__ Arguments a) {
    const logits_t *logits = a.logits + blockIdx.y * a.stride;
    int start = blockIdx.x * PART, end = min(start + PART, a.vocabulary);
    Best best = {LOWEST, NO_TOKEN, 0};
#pragma unroll 4
    for (int id = start + threadIdx.x; id < end; id += PART_THREADS) {
        better(widen(logits[id]), id, best);
    }
    best = block_best(best);
    if (threadIdx.x == 0) {
        a.maxima[(long)blockIdx.y * a.parts + blockIdx.x] = best;
    }
}

// Gumbel noise −ln(−ln u) of a word, u = (word + 1/2) / 2^32, in f32 to 1e-5: near 1 the logarithm is taken of the distance to it.
__device__ __forceinline__ float rough_noise(unsigned word) {
    float x = word < 0x80000000u ? -logf(((float)word + 0.5f) * 2.3283064365386963e-10f)
                                 : -log1pf(-((float)~word + 0.5f) * 2.3283064365386963e-10f);
    return -logf(x);
}

extern "C" __global__ void __launch_bounds__(PART_THREADS) sampling_draw(const __grid_constant__ Arguments a) {
    __shared__ double room[PART_THREADS / 32];
    const Row row = a.rows[blockIdx.y];
    const logits_t *logits = a.logits + blockIdx.y * a.stride;
    double highest = row_best(a.maxima + (long)blockIdx.y * a.parts, a.parts).value, factor = 1.0 / row.temperature;
    bool draws = row.temperature > 0.0f, cut = truncates(row);
    const Rank threshold = cut ? a.thresholds[blockIdx.y] : Rank();
    int start = blockIdx.x * PART, end = min(start + PART, a.vocabulary);
    Best best = {LOWEST, NO_TOKEN, 0};
    double sum = 0.0;
    for (int first = start + threadIdx.x * 4; first < end; first += PART_THREADS * 4) {
        // Four neighbours share one block of the generator.
        RandomWords words;
        bool known = false;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (first + i >= end) {
                continue;
            }
            float logit = widen(logits[first + i]);
            sum += expf((float)(logit - highest));
            double score = (logit - highest) * factor;
            if (!draws || !(score > HOPELESS) || score + LARGEST_NOISE <= best.value
                || (cut && !reaches(rank_of(logit, first + i, score), threshold))) {
                continue;
            }
            if (!known) {
                words = random_block(row.seed, (unsigned long long)(long long)row.position, (unsigned long long)(first >> 2));
                known = true;
            }
            // Logarithms in double only where they can decide.
            if ((float)score + rough_noise(words.word[i]) + NOISE_ERROR > (float)best.value) {
                better(score - log(-log((words.word[i] + 0.5) / 4294967296.0)), first + i, best);
            }
        }
    }
    best = block_best(best);
    sum = warp_sum(sum);
    if ((threadIdx.x & 31) == 0) {
        room[threadIdx.x >> 5] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < PART_THREADS / 32; w++) {
            sum += room[w];
        }
        a.draws[(long)blockIdx.y * a.parts + blockIdx.x] = best;
        a.sums[(long)blockIdx.y * a.parts + blockIdx.x] = sum;
    }
}

// One warp a row.
extern "C" __global__ void __launch_bounds__(32) sampling_finish(const __grid_constant__ Arguments a) {
    long first = (long)blockIdx.x * a.parts;
    Best likeliest = row_best(a.maxima + first, a.parts), drawn = row_best(a.draws + first, a.parts);
    int token = drawn.id != NO_TOKEN ? drawn.id : likeliest.id != NO_TOKEN ? likeliest.id : 0;
    if (threadIdx.x != 0) {
        return;
    }
    a.tokens[blockIdx.x] = token;
    if (a.log_probs) {
        // At temperature 1, of the whole vocabulary.
        double sum = 0.0;
        for (int i = 0; i < a.parts; i++) {
            sum += a.sums[first + i];
        }
        a.log_probs[blockIdx.x] = (float)(widen(a.logits[blockIdx.x * a.stride + token]) - likeliest.value - log(sum));
    }
}
