// delta[token, head] = Σ_e gradOutput·output: what every score's gradient is measured against. Eight lanes a head.
// Defines: HEAD_DIM, QUERY_TYPE, ELEMENTS (1, 2 or 4 that lie aligned side by side).
// variant: -DHEAD_DIM=128 -DQUERY_TYPE=1 -DELEMENTS=4
// variant: -DHEAD_DIM=10 -DQUERY_TYPE=0 -DELEMENTS=1
#include "attention_plain.cuh"

constexpr int Lanes = 8;

extern "C" __global__ void __launch_bounds__(256) attention_delta(const __grid_constant__ AttentionBackwardArguments a) {
    typedef ElementOf<QUERY_TYPE>::type Element;
    const long item = ((long)blockIdx.x * 256 + threadIdx.x) / Lanes;
    const bool present = item < (long)a.tokens * a.heads;
    const long token = present ? item / a.heads : 0, head = present ? item % a.heads : 0;
    const long at = token * a.output_stride + head * HEAD_DIM;
    const Element *output = (const Element *)a.output + at, *grad = (const Element *)a.grad_output + at;
    float sum = 0.0f;
#pragma unroll 4
    for (int e = threadIdx.x % Lanes * ELEMENTS; e < HEAD_DIM; e += Lanes * ELEMENTS) {
        float x[ELEMENTS], y[ELEMENTS];
        load_elements(output + e, x);
        load_elements(grad + e, y);
#pragma unroll
        for (int i = 0; i < ELEMENTS; i++) {
            sum = fmaf(x[i], y[i], sum);
        }
    }
#pragma unroll
    for (int offset = Lanes / 2; offset > 0; offset >>= 1) {
        sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    }
    if (present && threadIdx.x % Lanes == 0) {
        a.delta[token * a.heads + head] = sum;
    }
}
