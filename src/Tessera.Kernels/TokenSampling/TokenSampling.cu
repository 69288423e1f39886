// Draws a token from each row of logits, one block a row. Specialisations: LOGITS (element type).
#include "rows.cuh"
#include "random.cuh"

#define THREADS 1024
#define WARPS_OF_BLOCK (THREADS / 32)
#define BINS 2048
#define DIGITS 9

// As in the scalar code: a candidate this far below the likeliest, in units of temperature, decides neither top-p nor top-k.
#define NEGLIGIBLE 30.0
// The largest noise that 32 bits give, and a score with which no token wins against the likeliest, whose noise is at least -3.14.
#define LARGEST_NOISE 22.9
#define HOPELESS -26.1

// The layout of SamplingRow in C#.
struct Row {
    unsigned long long seed;
    float temperature;
    float top_p;
    int top_k;
    int position;
};

struct Arguments {
    const ElementOf<LOGITS>::type *logits;
    const Row *rows;
    int *tokens;
    float *log_probs;
    long stride;
    int count;
    int vocabulary;
};

// What a token is ranked by: score, then logit, then the lower id; larger is better. Scores are cut to steps of 2^-27.
struct Rank {
    unsigned word[3];
};

struct Histogram {
    unsigned counts[BINS];
    unsigned low[BINS];
    unsigned high[BINS];
};

// Where a descent stands: all that is above the threshold is kept, what equals it in the digits seen so far is being told apart.
struct Descent {
    Rank threshold;
    unsigned long long target;
    unsigned long long above_mass;
    unsigned above_count;
    unsigned bin;
    unsigned bin_count;
    unsigned long long bin_mass;
    unsigned long long total_mass;
    int found;
};

__device__ __forceinline__ Rank rank_of(float logit, int id, double score) {
    // Adding zero makes one zero of the two.
    unsigned bits = __float_as_uint(logit + 0.0f);
    Rank rank = {{~(unsigned)(-score * 134217728.0), bits & 0x80000000u ? ~bits : bits | 0x80000000u, ~(unsigned)id}};
    return rank;
}

// Digits of 11, 11 and 10 bits of each word.
__device__ __forceinline__ int shift_of(int digit) { return digit % 3 == 0 ? 21 : digit % 3 == 1 ? 10 : 0; }

__device__ __forceinline__ bool agrees(const Rank &rank, const Rank &threshold, int digit) {
    bool same = true;
    for (int w = 0; w < 3; w++) {
        int from = w < digit / 3 ? 0 : w > digit / 3 || digit % 3 == 0 ? 32 : digit % 3 == 1 ? 21 : 10;
        same = same && (from == 32 || (rank.word[w] ^ threshold.word[w]) >> from == 0);
    }
    return same;
}

__device__ __forceinline__ bool reaches(const Rank &rank, const Rank &threshold) {
    for (int w = 0; w < 3; w++) {
        if (rank.word[w] != threshold.word[w]) {
            return rank.word[w] > threshold.word[w];
        }
    }
    return true;
}

// Probabilities relative to the likeliest as integers, so that their sums do not depend on an order.
__device__ __forceinline__ unsigned long long mass_of(double score) {
    return (unsigned long long)(exp(score) * 17592186044416.0 + 0.5);
}

// Counts and masses of the bins of one digit. A mass of 64 bits takes two additions of 32; the first says whether it carried.
__device__ void fill_histogram(
    const ElementOf<LOGITS>::type *logits, int vocabulary, double highest, double factor, int digit, const Rank &threshold,
    Histogram &histogram) {
    for (int bin = threadIdx.x; bin < BINS; bin += THREADS) {
        histogram.counts[bin] = histogram.low[bin] = histogram.high[bin] = 0;
    }
    __syncthreads();
    for (int id = threadIdx.x; id < vocabulary; id += THREADS) {
        float logit = widen(logits[id]);
        double score = (logit - highest) * factor;
        if (!(score > -NEGLIGIBLE)) {
            continue;
        }
        Rank rank = rank_of(logit, id, score);
        if (agrees(rank, threshold, digit)) {
            unsigned bin = rank.word[digit / 3] >> shift_of(digit) & (digit % 3 == 2 ? 1023u : 2047u);
            unsigned long long mass = mass_of(score);
            unsigned before = atomicAdd(&histogram.low[bin], (unsigned)mass);
            unsigned carry = before + (unsigned)mass < before ? 1u : 0u;
            atomicAdd(&histogram.high[bin], (unsigned)(mass >> 32) + carry);
            atomicAdd(&histogram.counts[bin], 1u);
        }
    }
    __syncthreads();
}

// Finds the bin, from the highest down, in which the count or the mass reaches the target.
__device__ void find_bin(const Histogram &histogram, bool by_mass, double top_p, bool first, Descent &descent) {
    __shared__ unsigned counts[WARPS_OF_BLOCK];
    __shared__ unsigned long long masses[WARPS_OF_BLOCK];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    unsigned count = 0;
    unsigned long long mass = 0;
    for (int i = 0; i < BINS / THREADS; i++) {
        int bin = BINS - 1 - ((int)threadIdx.x * (BINS / THREADS) + i);
        count += histogram.counts[bin];
        mass += (unsigned long long)histogram.high[bin] << 32 | histogram.low[bin];
    }
    unsigned count_sum = count;
    unsigned long long mass_sum = mass;
    for (int offset = 1; offset < 32; offset <<= 1) {
        unsigned other_count = __shfl_up_sync(0xffffffffu, count_sum, offset);
        unsigned long long other_mass = __shfl_up_sync(0xffffffffu, mass_sum, offset);
        count_sum += lane >= offset ? other_count : 0;
        mass_sum += lane >= offset ? other_mass : 0;
    }
    if (lane == 31) {
        counts[warp] = count_sum;
        masses[warp] = mass_sum;
    }
    __syncthreads();
    unsigned long long total = 0;
    unsigned before_count = descent.above_count + count_sum - count;
    unsigned long long before_mass = descent.above_mass + mass_sum - mass;
    for (int w = 0; w < WARPS_OF_BLOCK; w++) {
        before_count += w < warp ? counts[w] : 0;
        before_mass += w < warp ? masses[w] : 0;
        total += masses[w];
    }
    unsigned long long target = descent.target;
    if (by_mass && first) {
        // Of the tokens that top-k left, or of all.
        total = descent.total_mass ? descent.total_mass : total;
        target = (unsigned long long)ceil(top_p * (double)total);
        target = target > total ? total : target < 1 ? 1 : target;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        descent.found = 0;
        descent.target = target;
    }
    __syncthreads();
    for (int i = 0; i < BINS / THREADS; i++) {
        int bin = BINS - 1 - ((int)threadIdx.x * (BINS / THREADS) + i);
        unsigned own_count = histogram.counts[bin];
        unsigned long long own_mass = (unsigned long long)histogram.high[bin] << 32 | histogram.low[bin];
        unsigned long long before = by_mass ? before_mass : before_count, own = by_mass ? own_mass : own_count;
        if (before < target && before + own >= target) {
            descent.found = 1;
            descent.bin = bin;
            descent.bin_count = own_count;
            descent.bin_mass = own_mass;
            descent.above_count = before_count;
            descent.above_mass = before_mass;
        }
        before_count += own_count;
        before_mass += own_mass;
    }
    __syncthreads();
}

// The rank of the last token that is kept: the target-th, or the one with which the mass reaches its share of all.
__device__ void descend(
    const ElementOf<LOGITS>::type *logits, int vocabulary, double highest, double factor, bool by_mass, unsigned top_k, double top_p,
    Histogram &histogram, Descent &descent) {
    if (threadIdx.x == 0) {
        descent.threshold.word[0] = descent.threshold.word[1] = descent.threshold.word[2] = 0;
        descent.target = top_k;
        descent.above_mass = 0;
        descent.above_count = 0;
    }
    __syncthreads();
    for (int digit = 0; digit < DIGITS; digit++) {
        fill_histogram(logits, vocabulary, highest, factor, digit, descent.threshold, histogram);
        find_bin(histogram, by_mass, top_p, digit == 0, descent);
        if (!descent.found) {
            // Fewer candidates than top-k: all stay.
            return;
        }
        bool last = descent.bin_count == 1 || (!by_mass && descent.above_count + descent.bin_count == top_k);
        __syncthreads();
        if (threadIdx.x == 0) {
            descent.threshold.word[digit / 3] |= descent.bin << shift_of(digit);
            descent.total_mass = descent.above_mass + descent.bin_mass;
        }
        __syncthreads();
        if (last) {
            return;
        }
    }
}

// Of two tokens the one with the larger value, of equals the lower id.
__device__ __forceinline__ void better(double value, int id, double &best, int &chosen) {
    if (value > best || (value == best && id < chosen)) {
        best = value;
        chosen = id;
    }
}

__device__ void block_best(double &best, int &chosen) {
    __shared__ double values[WARPS_OF_BLOCK];
    __shared__ int ids[WARPS_OF_BLOCK];
    for (int round = 0; round < 2; round++) {
        for (int offset = 16; offset > 0; offset >>= 1) {
            double value = __shfl_xor_sync(0xffffffffu, best, offset);
            int id = __shfl_xor_sync(0xffffffffu, chosen, offset);
            better(value, id, best, chosen);
        }
        if (round == 0) {
            __syncthreads();
            if ((threadIdx.x & 31) == 0) {
                values[threadIdx.x >> 5] = best;
                ids[threadIdx.x >> 5] = chosen;
            }
            __syncthreads();
            best = values[threadIdx.x & 31];
            chosen = ids[threadIdx.x & 31];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) token_sampling(const __grid_constant__ Arguments a) {
    __shared__ Histogram histogram;
    __shared__ Descent descent;
    __shared__ double sums[WARPS_OF_BLOCK];
    const int none = 0x7fffffff;
    const double lowest = -1.7976931348623157e308;
    const ElementOf<LOGITS>::type *logits = a.logits + blockIdx.x * a.stride;
    const Row row = a.rows[blockIdx.x];

    double highest = lowest;
    int likeliest = none;
#pragma unroll 4
    for (int id = threadIdx.x; id < a.vocabulary; id += THREADS) {
        better(widen(logits[id]), id, highest, likeliest);
    }
    block_best(highest, likeliest);
    likeliest = likeliest == none ? 0 : likeliest;
    int chosen = likeliest;

    if (row.temperature > 0.0f) {
        double factor = 1.0 / row.temperature;
        bool truncates = row.top_k > 0 || row.top_p < 1.0f;
        if (truncates) {
            if (threadIdx.x == 0) {
                descent.total_mass = 0;
            }
            if (row.top_k > 0) {
                descend(logits, a.vocabulary, highest, factor, false, row.top_k, 1.0, histogram, descent);
            }
            if (row.top_p < 1.0f) {
                descend(logits, a.vocabulary, highest, factor, true, 0, row.top_p, histogram, descent);
            }
        }

        double best = lowest;
        int drawn = none;
        for (int first = threadIdx.x * 4; first < a.vocabulary; first += THREADS * 4) {
            RandomWords words;
            bool known = false;
            for (int i = 0; i < 4 && first + i < a.vocabulary; i++) {
                float logit = widen(logits[first + i]);
                double score = (logit - highest) * factor;
                if (!(score > HOPELESS) || score + LARGEST_NOISE <= best) {
                    continue;
                }
                if (truncates && !reaches(rank_of(logit, first + i, score), descent.threshold)) {
                    continue;
                }
                if (!known) {
                    words = random_block(row.seed, (unsigned long long)(long long)row.position, (unsigned long long)(first >> 2));
                    known = true;
                }
                double noise = -log(-log((words.word[i] + 0.5) / 4294967296.0));
                better(score + noise, first + i, best, drawn);
            }
        }
        block_best(best, drawn);
        chosen = drawn == none ? likeliest : drawn;
    }

    if (threadIdx.x == 0) {
        a.tokens[blockIdx.x] = chosen;
    }
    if (!a.log_probs) {
        return;
    }

    // log p at temperature 1, of the whole vocabulary.
    double sum = 0.0;
#pragma unroll 4
    for (int id = threadIdx.x; id < a.vocabulary; id += THREADS) {
        sum += expf((float)(widen(logits[id]) - highest));
    }
    sum = warp_sum(sum);
    if ((threadIdx.x & 31) == 0) {
        sums[threadIdx.x >> 5] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        sum = 0.0;
        for (int w = 0; w < WARPS_OF_BLOCK; w++) {
            sum += sums[w];
        }
        a.log_probs[blockIdx.x] = (float)(widen(logits[chosen]) - highest - log(sum));
    }
}
