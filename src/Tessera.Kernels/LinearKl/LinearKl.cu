// Divergence of rows of student logits from rows of teacher logits, and its gradient: one block a token. GRADIENT: F32, BF16 or
// NO_GRADIENT.
// variant: -DGRADIENT=0
// variant: -DGRADIENT=1
// variant: -DGRADIENT=2
#include "softmax.cuh"

struct Arguments {
    float *student;
    const float *teacher;
    const float *weights;
    float *loss;
    const int *targets;
    float *excess;
    long stride;
    int vocabulary;
    float temperature;
    float scale;
};

// A token's normalisers, and log(q/p) = (student − teacher)·factor − offset.
struct Row {
    float factor;
    float student_max;
    float teacher_max;
    float student_inverse;
    float teacher_inverse;
    float offset;
};

// p·φ(x) and q − p of one entry, where x = log(q/p) and φ(x) = e^x − 1 − x. Near 0 both come from the series of φ, seven terms of
// which leave 2e-8 of 1/2 up to |x| = 1/2; elsewhere from p and q themselves, where p may have become 0 without harm.
__device__ __forceinline__ float2 terms(const Row &row, float student, float teacher) {
    float p = expf((teacher - row.teacher_max) * row.factor) * row.teacher_inverse;
    float q = expf((student - row.student_max) * row.factor) * row.student_inverse;
    float x = fmaf(student - teacher, row.factor, -row.offset), difference = q - p;
    if (fabsf(x) > 0.5f) {
        return make_float2(difference - p * x, difference);
    }
    float series = fmaf(1.0f / 40320.0f, x, 1.0f / 5040.0f);
    series = fmaf(series, x, 1.0f / 720.0f);
    series = fmaf(series, x, 1.0f / 120.0f);
    series = fmaf(series, x, 1.0f / 24.0f);
    series = fmaf(series, x, 1.0f / 6.0f);
    series = fmaf(series, x, 0.5f) * x * x;
    return make_float2(p * series, p * (x + series));
}

extern "C" __global__ void __launch_bounds__(1024) linear_kl(const __grid_constant__ Arguments a) {
    __shared__ float room[32];
    int t = blockIdx.x;
    float *student = a.student + t * a.stride;
    const float *teacher = a.teacher + t * a.stride;
    float weight = a.weights[t];
    if (weight == 0.0f) {
        if (threadIdx.x == 0) {
            a.loss[t] = 0.0f;
            if (a.excess) {
                a.excess[t] = 0.0f;
            }
        }
        clear_row<GRADIENT>(student, a.vocabulary);
        return;
    }

    // The target's logits, before the gradient replaces the student's.
    bool has_target = false;
    float at_target = 0.0f;
    if (a.excess && threadIdx.x == 0) {
        int y = a.targets[t];
        has_target = y >= 0 && y < a.vocabulary;
        at_target = has_target ? student[y] - teacher[y] : 0.0f;
    }

    float factor = 1.0f / a.temperature;
    Normaliser s = normalise<false>(student, a.vocabulary, factor, room);
    Normaliser g = normalise<false>(teacher, a.vocabulary, factor, room);
    double offset = ((double)s.max - (double)g.max) * (double)factor + log((double)s.sum / (double)g.sum);
    Row row = {factor, s.max, g.max, 1.0f / s.sum, 1.0f / g.sum, (float)offset};
    if (a.excess && threadIdx.x == 0) {
        a.excess[t] = has_target ? row.offset - at_target * row.factor : NAN;
    }
    float coefficient = a.scale * weight * a.temperature, sum = 0.0f;
    if (GRADIENT == NO_GRADIENT) {
        for (int v = threadIdx.x; v < a.vocabulary; v += blockDim.x) {
            sum += terms(row, student[v], teacher[v]).x;
        }
    } else {
        replace_row<GRADIENT>(student, a.vocabulary, [&](int v, float z) {
            float2 both = terms(row, z, teacher[v]);
            sum += both.x;
            return both.y * coefficient;
        });
    }

    sum = block_sum(sum, room);
    if (threadIdx.x == 0) {
        a.loss[t] = sum * a.temperature * a.temperature;
    }
}
