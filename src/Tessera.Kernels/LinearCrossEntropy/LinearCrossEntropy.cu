// Cross entropy of rows of logits and its gradient: one block a token. GRADIENT: F32, BF16 or NO_GRADIENT.
// variant: -DGRADIENT=0
// variant: -DGRADIENT=1
// variant: -DGRADIENT=2
#include "softmax.cuh"

struct Arguments {
    float *logits;
    const int *targets;
    const float *weights;
    float *loss;
    long stride;
    int vocabulary;
    float scale;
};

extern "C" __global__ void __launch_bounds__(1024) linear_cross_entropy(const __grid_constant__ Arguments a) {
    __shared__ float room[32];
    int t = blockIdx.x;
    float *row = a.logits + t * a.stride;
    float weight = a.weights[t];
    int target = a.targets[t];
    if (weight == 0.0f || !is_entry(target, a.vocabulary)) {
        if (threadIdx.x == 0) {
            a.loss[t] = weight == 0.0f ? 0.0f : NAN;
        }
        clear_row<GRADIENT>(row, a.vocabulary);
        return;
    }

    float logit = row[target];
    Normaliser n = normalise<false>(row, a.vocabulary, 1.0f, room);
    if (threadIdx.x == 0) {
        a.loss[t] = negative_log_likelihood(n, logit, 1.0f);
    }

    // normalise ended with a barrier behind every read of the row.
    float coefficient = a.scale * weight, share = coefficient / n.sum;
    replace_row<GRADIENT>(row, a.vocabulary, [=](int v, float z) {
        return expf(z - n.max) * share - (v == target ? coefficient : 0.0f);
    });
}
