// Y (=, +=) sums scaled by row and column: behind a product that the library does not scale itself.
// variant: -DY_TYPE=1
#include "element.cuh"

typedef ElementOf<Y_TYPE>::type Y;

struct Arguments {
    const float *sums;         // [tokens, outputs], dense.
    const float *token_scales; // Null for 1.
    const float *scales;
    Y *y;
    long y_stride;
    int outputs;
    int accumulate;
};

extern "C" __global__ void __launch_bounds__(256) fp8_scale(const __grid_constant__ Arguments a) {
    int output = blockIdx.x * 256 + threadIdx.x, token = blockIdx.y;
    if (output < a.outputs) {
        float scale = a.token_scales ? __fmul_rn(a.token_scales[token], a.scales[output]) : a.scales[output];
        float product = __fmul_rn(a.sums[(long)token * a.outputs + output], scale);
        Y *y = a.y + token * a.y_stride + output;
        narrow(a.accumulate ? __fadd_rn(widen(*y), product) : product, *y);
    }
}
