// Top-k and top-p without sorting: the rank of the last token that is kept, found digit by digit. Specialisations: LOGITS (element type).
// variant: -DLOGITS=0
// variant: -DLOGITS=1
#include "sampling.cuh"
#include "succession.cuh"

#define SELECT_THREADS 1024
#define DIGITS 9
#define CROWD 2048

// As in the scalar code: a candidate this far below the likeliest, in units of temperature, decides neither top-p nor top-k.
#define NEGLIGIBLE 30.0

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

// Probabilities relative to the likeliest as integers, so that their sums do not depend on an order.
__device__ __forceinline__ unsigned long long mass_of(double score) {
    return (unsigned long long)(exp(score) * 17592186044416.0 + 0.5);
}

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

// Bins in shared memory. A mass of 64 bits takes two additions of 32, of which the first says whether it carried.
struct LocalBins {
    unsigned counts[BINS];
    unsigned low[BINS];
    unsigned high[BINS];
};

__device__ __forceinline__ unsigned long long mass_in(const LocalBins &bins, int bin) {
    return (unsigned long long)bins.high[bin] << 32 | bins.low[bin];
}

__device__ __forceinline__ void add(LocalBins &bins, unsigned bin, unsigned long long mass) {
    unsigned before = atomicAdd(&bins.low[bin], (unsigned)mass);
    atomicAdd(&bins.high[bin], (unsigned)(mass >> 32) + (before + (unsigned)mass < before ? 1u : 0u));
    atomicAdd(&bins.counts[bin], 1u);
}

__device__ __forceinline__ void clear(LocalBins &bins) {
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) {
        bins.counts[bin] = bins.low[bin] = bins.high[bin] = 0;
    }
    __syncthreads();
}

__device__ __forceinline__ void take(const Bins &row, LocalBins &bins) {
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) {
        bins.counts[bin] = row.counts[bin];
        bins.low[bin] = (unsigned)row.masses[bin];
        bins.high[bin] = (unsigned)(row.masses[bin] >> 32);
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(PART_THREADS) sampling_histogram(const __grid_constant__ Arguments a) {
    follow_previous();
    __shared__ LocalBins local;
    const Row row = a.rows[blockIdx.y];
    if (!truncates(row)) {
        return;
    }
    const logits_t *logits = a.logits + blockIdx.y * a.stride;
    double highest = row_best(a.maxima + (long)blockIdx.y * a.parts, a.parts).value, factor = 1.0 / row.temperature;
    clear(local);
    int start = blockIdx.x * PART, end = min(start + PART, a.vocabulary);
    for (int id = start + threadIdx.x; id < end; id += PART_THREADS) {
        float logit = widen(logits[id]);
        double score = (logit - highest) * factor;
        if (score > -NEGLIGIBLE) {
            add(local, rank_of(logit, id, score).word[0] >> shift_of(0), mass_of(score));
        }
    }
    __syncthreads();
    Bins &bins = a.bins[blockIdx.y];
    for (int bin = threadIdx.x; bin < BINS; bin += PART_THREADS) {
        if (local.counts[bin]) {
            // Whole numbers: their sum does not depend on the order.
            atomicAdd(&bins.counts[bin], local.counts[bin]);
            atomicAdd(&bins.masses[bin], mass_in(local, bin));
        }
    }
}

// The tokens that share the threshold's bin of the first digit; from the second digit on only these are looked at. They are few, as a
// bin is narrow; where they are not, the row is read for every digit.
struct Crowd {
    int ids[CROWD];
    int count;
};

__device__ void gather_crowd(
    const logits_t *logits, int vocabulary, double highest, double factor, const Rank &threshold, Crowd &crowd) {
    if (threadIdx.x == 0) {
        crowd.count = 0;
    }
    __syncthreads();
    // The bin's scores in f32, with more room than the errors of f32 need.
    float end = -(float)(~threshold.word[0] >> shift_of(0)) / 64.0f + 1e-3f, start = end - 1.0f / 64.0f - 2e-3f;
    float top = (float)highest, rough_factor = (float)factor;
#pragma unroll 8
    for (int id = threadIdx.x; id < vocabulary; id += SELECT_THREADS) {
        float logit = widen(logits[id]), rough = (logit - top) * rough_factor;
        if (rough >= start && rough <= end) {
            double score = (logit - highest) * factor;
            if (score > -NEGLIGIBLE && agrees(rank_of(logit, id, score), threshold, 1)) {
                int place = atomicAdd(&crowd.count, 1);
                if (place < CROWD) {
                    crowd.ids[place] = id;
                }
            }
        }
    }
    __syncthreads();
}

// Counts and masses of the bins of a later digit, over the tokens that agree with the threshold in the digits before.
__device__ void fill_bins(
    const logits_t *logits, int vocabulary, double highest, double factor, int digit, const Rank &threshold, const Crowd &crowd,
    LocalBins &bins) {
    clear(bins);
    bool listed = crowd.count <= CROWD;
    int count = listed ? crowd.count : vocabulary;
    for (int i = threadIdx.x; i < count; i += SELECT_THREADS) {
        int id = listed ? crowd.ids[i] : i;
        float logit = widen(logits[id]);
        double score = (logit - highest) * factor;
        if (score > -NEGLIGIBLE) {
            Rank rank = rank_of(logit, id, score);
            if (agrees(rank, threshold, digit)) {
                unsigned bin = rank.word[digit / 3] >> shift_of(digit) & (digit % 3 == 2 ? 1023u : 2047u);
                add(bins, bin, mass_of(score));
            }
        }
    }
    __syncthreads();
}

// Finds the bin, from the highest down, in which the count or the mass reaches the target.
__device__ void find_bin(const LocalBins &bins, bool by_mass, double top_p, bool first, Descent &descent) {
    __shared__ unsigned counts[SELECT_THREADS / 32];
    __shared__ unsigned long long masses[SELECT_THREADS / 32];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    unsigned count = 0;
    unsigned long long mass = 0;
    for (int i = 0; i < BINS / SELECT_THREADS; i++) {
        int bin = BINS - 1 - ((int)threadIdx.x * (BINS / SELECT_THREADS) + i);
        count += bins.counts[bin];
        mass += mass_in(bins, bin);
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
    for (int w = 0; w < SELECT_THREADS / 32; w++) {
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
    for (int i = 0; i < BINS / SELECT_THREADS; i++) {
        int bin = BINS - 1 - ((int)threadIdx.x * (BINS / SELECT_THREADS) + i);
        unsigned own_count = bins.counts[bin];
        unsigned long long own_mass = mass_in(bins, bin);
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

// The rank of the last token that is kept: the top_k-th, or the one with which the mass reaches its share of all. `first` are the row's
// bins of the first digit.
__device__ void descend(
    const logits_t *logits, int vocabulary, double highest, double factor, bool by_mass, unsigned top_k, double top_p, const Bins &first,
    LocalBins &bins, Crowd &crowd, Descent &descent) {
    if (threadIdx.x == 0) {
        descent.threshold.word[0] = descent.threshold.word[1] = descent.threshold.word[2] = 0;
        descent.target = top_k;
        descent.above_mass = 0;
        descent.above_count = 0;
    }
    __syncthreads();
    for (int digit = 0; digit < DIGITS; digit++) {
        if (digit == 0) {
            take(first, bins);
        } else {
            if (digit == 1) {
                gather_crowd(logits, vocabulary, highest, factor, descent.threshold, crowd);
            }
            fill_bins(logits, vocabulary, highest, factor, digit, descent.threshold, crowd, bins);
        }
        find_bin(bins, by_mass, top_p, digit == 0, descent);
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

extern "C" __global__ void __launch_bounds__(SELECT_THREADS) sampling_select(const __grid_constant__ Arguments a) {
    follow_previous();
    __shared__ LocalBins bins;
    __shared__ Crowd crowd;
    __shared__ Descent descent;
    const Row row = a.rows[blockIdx.x];
    if (!truncates(row)) {
        return;
    }
    const logits_t *logits = a.logits + blockIdx.x * a.stride;
    double highest = row_best(a.maxima + (long)blockIdx.x * a.parts, a.parts).value, factor = 1.0 / row.temperature;
    if (threadIdx.x == 0) {
        descent.total_mass = 0;
    }
    if (row.top_k > 0) {
        descend(logits, a.vocabulary, highest, factor, false, row.top_k, 1.0, a.bins[blockIdx.x], bins, crowd, descent);
    }
    if (row.top_p < 1.0f) {
        descend(logits, a.vocabulary, highest, factor, true, 0, row.top_p, a.bins[blockIdx.x], bins, crowd, descent);
    }
    if (threadIdx.x == 0) {
        a.thresholds[blockIdx.x] = descent.threshold;
    }
}
