// The likeliest tokens, the draw and its log-probability. Specialisations: LOGITS (element type).
// variant: -DLOGITS=0
// variant: -DLOGITS=1
#include "sampling.cuh"
#include "random.cuh"
#include "succession.cuh"

// Noise lies between -3.14 and 22.9: with a score below this no token wins against the likeliest.
#define HOPELESS -26.1f
// More than twice the error of score and noise in f32.
#define NOISE_ERROR 1e-3f

extern "C" __global__ void __launch_bounds__(PART_THREADS) sampling_maximum(const __grid_constant__ Arguments a) {
    follow_previous();
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

__device__ __forceinline__ Rank rank_at(const logits_t *logits, int id, double highest, double factor) {
    float logit = widen(logits[id]);
    return rank_of(logit, id, (logit - highest) * factor);
}

// Two rounds. In f32 every token of the part gets a rough value; then those that come near the best of the part get theirs in
// double, which a few do.
extern "C" __global__ void __launch_bounds__(PART_THREADS) sampling_draw(const __grid_constant__ Arguments a) {
    follow_previous();
    __shared__ float maxima[32];
    __shared__ double sums[PART_THREADS / 32];
    const Row row = a.rows[blockIdx.y];
    const logits_t *logits = a.logits + blockIdx.y * a.stride;
    double highest = row_best(a.maxima + (long)blockIdx.y * a.parts, a.parts).value, factor = 1.0 / row.temperature;
    float top = (float)highest, rough_factor = (float)factor;
    bool draws = row.temperature > 0.0f, cut = truncates(row);
    const Rank threshold = cut ? a.thresholds[blockIdx.y] : Rank();
    int start = blockIdx.x * PART, end = min(start + PART, a.vocabulary);
    float rough[PART / PART_THREADS], nearest = -LARGEST, sum = 0.0f;
#pragma unroll
    for (int q = 0; q < PART / PART_THREADS / 4; q++) {
        // Four neighbours share one block of the generator.
        int first = start + (q * PART_THREADS + (int)threadIdx.x) * 4;
        RandomWords words;
        bool known = false;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            rough[q * 4 + i] = -LARGEST;
            if (first + i >= end) {
                continue;
            }
            float below = widen(logits[first + i]) - top;
            sum += expf(below);
            float score = below * rough_factor;
            if (!draws || !(score > HOPELESS)) {
                continue;
            }
            if (!known) {
                words = random_block(row.seed, (unsigned long long)(long long)row.position, (unsigned long long)(first >> 2));
                known = true;
            }
            if (!cut || reaches(rank_at(logits, first + i, highest, factor), threshold)) {
                rough[q * 4 + i] = score + rough_noise(words.word[i]);
                nearest = fmaxf(nearest, rough[q * 4 + i]);
            }
        }
    }

    nearest = block_max(nearest, maxima);
    Best best = {LOWEST, NO_TOKEN, 0};
#pragma unroll
    for (int k = 0; k < PART / PART_THREADS; k++) {
        if (rough[k] > -LARGEST && rough[k] + NOISE_ERROR >= nearest) {
            int id = start + (k / 4 * PART_THREADS + (int)threadIdx.x) * 4 + k % 4;
            RandomWords words = random_block(row.seed, (unsigned long long)(long long)row.position, (unsigned long long)(id >> 2));
            unsigned word = k % 4 == 0 ? words.word[0] : k % 4 == 1 ? words.word[1] : k % 4 == 2 ? words.word[2] : words.word[3];
            better((widen(logits[id]) - highest) * factor - log(-log((word + 0.5) / 4294967296.0)), id, best);
        }
    }
    best = block_best(best);
    double total = warp_sum((double)sum);
    if ((threadIdx.x & 31) == 0) {
        sums[threadIdx.x >> 5] = total;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < PART_THREADS / 32; w++) {
            total += sums[w];
        }
        a.draws[(long)blockIdx.y * a.parts + blockIdx.x] = best;
        a.sums[(long)blockIdx.y * a.parts + blockIdx.x] = total;
    }
}

// One warp a row.
extern "C" __global__ void __launch_bounds__(32) sampling_finish(const __grid_constant__ Arguments a) {
    follow_previous();
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
