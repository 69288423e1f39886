// Log-probability of a token and entropy of rows of logits: one block a token. ENTROPY: 0 or 1.
// variant: -DENTROPY=0
// variant: -DENTROPY=1
#include "softmax.cuh"

struct Arguments {
    const float *logits;
    const int *targets;
    const float *weights;
    float *log_prob;
    float *entropy;
    long stride;
    int vocabulary;
    float factor;
};

extern "C" __global__ void __launch_bounds__(1024) linear_log_prob(const __grid_constant__ Arguments a) {
    __shared__ float room[32];
    int t = blockIdx.x, target = a.targets[t];
    const float *row = a.logits + t * a.stride;
    bool counts = a.weights[t] != 0.0f, is_wrong = counts && !is_entry(target, a.vocabulary);
    if (!counts || is_wrong) {
        if (threadIdx.x == 0) {
            a.log_prob[t] = is_wrong ? NAN : 0.0f;
            if (ENTROPY) {
                a.entropy[t] = is_wrong ? NAN : 0.0f;
            }
        }
        return;
    }

    Normaliser n = normalise<ENTROPY>(row, a.vocabulary, a.factor, room);
    if (threadIdx.x == 0) {
        a.log_prob[t] = -negative_log_likelihood(n, row[target], a.factor);
        if (ENTROPY) {
            a.entropy[t] = (float)(log((double)n.sum) - (double)n.moment / (double)n.sum);
        }
    }
}
