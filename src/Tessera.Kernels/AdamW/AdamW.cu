// AdamW over all tensors in one launch. What is kept in bf16 without an f32 master is rounded up or down at random: to nearest, changes
// below half of the last place would be lost at every step.
#include "trained.cuh"
#include "random.cuh"

// What changes from step to step, in the card's memory; the layout of AdamWNumbers in C#.
struct Numbers {
    unsigned long long seed;
    unsigned long long step;
    float gradient_scale;
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
    float decay;
    float step_size;
    float root_scale;
    float epsilon;
};

struct Arguments {
    const TrainedTensor *tensors;
    const float *clip;
    const Numbers *numbers;
    int count;
};

// x plus a random part of the last place, cut: up with a probability equal to the fraction that is cut. Infinity and NaN stay.
__device__ __forceinline__ unsigned short stochastic(float x, unsigned random) {
    unsigned bits = __float_as_uint(x);
    bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    bf16 nearest;
    narrow(x, nearest);
    return finite ? (unsigned short)((bits + (random & 0xffffu)) >> 16) : nearest.bits;
}

// What the random numbers of a step are for; parameter and moments have streams of their own.
#define FOR_PARAMETER 0
#define FOR_FIRST 1
#define FOR_SECOND 2

// Leaves values of bf16. Sixteen bits of a block of the generator serve an element: eight neighbours share a block.
template <int N> __device__ __forceinline__ void round_randomly(const Numbers &n, int purpose, long element, float (&values)[N]) {
    RandomWords words = random_block(n.seed, n.step * 4 + purpose, (unsigned long long)element >> 3);
#pragma unroll
    for (int p = 0; p < N; p++) {
        // A single element may have any place in its block.
        int place = N == 8 ? p : (int)(element & 7);
        unsigned word = words.word[0];
        word = place >> 1 == 1 ? words.word[1] : place >> 1 == 2 ? words.word[2] : place >> 1 == 3 ? words.word[3] : word;
        values[p] = __uint_as_float((unsigned)stochastic(values[p], word >> (16 * (place & 1))) << 16);
    }
}

template <int N> __device__ __forceinline__ void step(const Numbers &n, const TrainedTensor &t, float scale, long i) {
    float gradient[N], first[N], second[N], parameter[N];
    load_typed(t.gradient, t.gradient_type, i, gradient);
    load_typed(t.first, t.moment_type, i, first);
    load_typed(t.second, t.moment_type, i, second);
    load_typed(t.parameter, t.parameter_type, i, parameter);
    float decay = n.decay * t.decay;
#pragma unroll
    for (int p = 0; p < N; p++) {
        float g = scale * gradient[p];
        first[p] += n.one_minus_beta1 * (g - first[p]);
        second[p] = n.beta2 * second[p] + n.one_minus_beta2 * (g * g);
        float moved = n.step_size * first[p] / (sqrtf(second[p]) * n.root_scale + n.epsilon);
        parameter[p] = parameter[p] - decay * parameter[p] - moved;
    }
    if (t.moment_type == BF16) {
        round_randomly(n, FOR_FIRST, t.first_element + i, first);
        round_randomly(n, FOR_SECOND, t.first_element + i, second);
    }
    if (t.parameter_type == BF16) {
        round_randomly(n, FOR_PARAMETER, t.first_element + i, parameter);
    }
    store_typed(t.first, t.moment_type, i, first);
    store_typed(t.second, t.moment_type, i, second);
    store_typed(t.parameter, t.parameter_type, i, parameter);
    if (t.working) {
        store_values(t.working + i, parameter);
    }
}

extern "C" __global__ void __launch_bounds__(256) adamw_step(const __grid_constant__ Arguments a) {
    const TrainedTensor t = a.tensors[tensor_of(a.tensors, a.count, blockIdx.x)];
    const Numbers n = *a.numbers;
    float scale = n.gradient_scale * (a.clip ? *a.clip : 1.0f);
    // A norm that is no number gives no factor: nothing is updated.
    if (!(scale - scale == 0.0f)) {
        return;
    }
    long start = ((long)blockIdx.x - t.first_chunk) * CHUNK, end = min(start + CHUNK, t.count);
    unsigned long long all = (unsigned long long)t.parameter | (unsigned long long)t.working | (unsigned long long)t.gradient
        | (unsigned long long)t.first | (unsigned long long)t.second;
    long i = start + threadIdx.x * 8;
    if ((all & 15) == 0 && (t.first_element & 7) == 0) {
        for (; i + 8 <= end; i += 256 * 8) {
            step<8>(n, t, scale, i);
        }
    }
    for (; i < end; i += 256 * 8) {
        for (long one = i; one < min(i + 8, end); one++) {
            step<1>(n, t, scale, one);
        }
    }
}
