// The clipped policy loss of rows of logits and its gradient: one block a token. GRADIENT: F32, BF16 or NO_GRADIENT; ENTROPY: 0 or 1.
// Terms as PolicyTerms in C# has them.
// variant: -DGRADIENT=0 -DENTROPY=1
// variant: -DGRADIENT=1 -DENTROPY=0
// variant: -DGRADIENT=2 -DENTROPY=1
#include "softmax.cuh"

#define CLIP_NONE 0
#define CLIP_LOW 1
#define CLIP_HIGH 2
#define CLIP_DUAL 3

struct Arguments {
    float *logits;
    const int *targets;
    const float *weights;
    const float *advantages;
    const float *old_log_prob;
    const float *reference_log_prob;
    const float *correction;
    float *loss;
    float *log_prob;
    float *entropy;
    float *kl;
    int *clip;
    long stride;
    double clip_low;
    double clip_high;
    double dual_clip;
    double kl_weight;
    double largest_difference;
    double largest_kl;
    int vocabulary;
    int on_policy_kl;
    float factor;
    float scale;
};

struct Terms {
    double loss;
    double slope;
    double kl;
    int clip;
};

__device__ __forceinline__ int clipped(const Arguments &a, double ratio, double advantage) {
    if (advantage > 0.0) {
        return ratio > a.clip_high ? CLIP_HIGH : CLIP_NONE;
    }
    if (advantage < 0.0) {
        return ratio < a.clip_low ? CLIP_LOW : a.dual_clip > 0.0 && ratio > a.dual_clip ? CLIP_DUAL : CLIP_NONE;
    }
    return CLIP_NONE;
}

__device__ Terms terms_of(const Arguments &a, int t, float log_prob) {
    double advantage = a.advantages[t], correction = a.correction == nullptr ? 1.0 : (double)a.correction[t];
    double ratio = a.old_log_prob == nullptr ? 1.0 : exp((double)log_prob - (double)a.old_log_prob[t]);
    Terms terms;
    terms.clip = clipped(a, ratio, advantage);
    double bound = terms.clip == CLIP_LOW ? a.clip_low : terms.clip == CLIP_HIGH ? a.clip_high : terms.clip == CLIP_DUAL ? a.dual_clip : ratio;
    terms.loss = -correction * bound * advantage;
    terms.slope = terms.clip == CLIP_NONE ? terms.loss : 0.0;
    terms.kl = 0.0;
    if (a.reference_log_prob != nullptr) {
        double difference = (double)a.reference_log_prob[t] - (double)log_prob;
        double bounded = difference < -a.largest_difference ? -a.largest_difference
            : difference > a.largest_difference ? a.largest_difference : difference;
        double excess = exp(bounded) - 1.0, estimate = excess - bounded;
        bool is_free = bounded == difference && estimate <= a.largest_kl;
        terms.kl = estimate > a.largest_kl ? a.largest_kl : estimate;
        terms.loss += a.kl_weight * terms.kl;
        terms.slope += a.kl_weight * ((is_free ? -excess : 0.0) + (a.on_policy_kl ? terms.kl : 0.0));
    }
    return terms;
}

__device__ void store(const Arguments &a, int t, float loss, float log_prob, float entropy, float kl, int clip) {
    a.loss[t] = loss;
    a.log_prob[t] = log_prob;
    if (ENTROPY) {
        a.entropy[t] = entropy;
    }
    if (a.kl != nullptr) {
        a.kl[t] = kl;
    }
    if (a.clip != nullptr) {
        a.clip[t] = clip;
    }
}

extern "C" __global__ void __launch_bounds__(1024) linear_policy(const __grid_constant__ Arguments a) {
    __shared__ float room[32];
    __shared__ float slope;
    int t = blockIdx.x;
    float *row = a.logits + t * a.stride;
    float weight = a.weights[t];
    int target = a.targets[t];
    if (weight == 0.0f || !is_entry(target, a.vocabulary)) {
        if (threadIdx.x == 0) {
            float none = weight == 0.0f ? 0.0f : NAN;
            store(a, t, none, none, none, none, CLIP_NONE);
        }
        clear_row<GRADIENT>(row, a.vocabulary);
        return;
    }

    float logit = row[target];
    Normaliser n = normalise<ENTROPY>(row, a.vocabulary, a.factor, room);
    if (threadIdx.x == 0) {
        float log_prob = -negative_log_likelihood(n, logit, a.factor);
        float entropy = ENTROPY ? (float)(log((double)n.sum) - (double)n.moment / (double)n.sum) : 0.0f;
        Terms terms = terms_of(a, t, log_prob);
        store(a, t, (float)terms.loss, log_prob, entropy, (float)terms.kl, terms.clip);
        slope = (float)((double)(a.scale * weight) * terms.slope * (double)a.factor);
    }
    if (GRADIENT == NO_GRADIENT) {
        return;
    }

    __syncthreads();
    float coefficient = slope, share = -coefficient / n.sum, factor = a.factor;
    replace_row<GRADIENT>(row, a.vocabulary, [=](int v, float z) {
        return expf((z - n.max) * factor) * share + (v == target ? coefficient : 0.0f);
    });
}
