// The gated activation and its backward. Specialisations: ROWS (element type of packed gates and ups and of their gradient), HIDDEN
// (of h and its gradient), PACK.
// variant: -DROWS=0 -DHIDDEN=0 -DPACK=1
// variant: -DROWS=1 -DHIDDEN=1 -DPACK=8
#include "rows.cuh"
#include "succession.cuh"

struct Arguments {
    const ElementOf<ROWS>::type *gate_up;
    ElementOf<HIDDEN>::type *h;
    ElementOf<ROWS>::type *grad_gate_up;
    int tokens;
    int width;
};

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

extern "C" __global__ void __launch_bounds__(128) swiglu_forward(const __grid_constant__ Arguments a) {
    follow_previous();
    long column = ((long)blockIdx.x * 128 + threadIdx.x) * PACK;
    if (column >= a.width) {
        return;
    }
    for (long token = blockIdx.y; token < a.tokens; token += gridDim.y) {
        float gate[PACK], up[PACK];
        const ElementOf<ROWS>::type *row = a.gate_up + 2 * token * a.width + column;
        load_values(row, gate);
        load_values(row + a.width, up);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            up[p] *= gate[p] * sigmoid(gate[p]);
        }
        store_values(a.h + token * a.width + column, up);
    }
}

extern "C" __global__ void __launch_bounds__(128) swiglu_backward(const __grid_constant__ Arguments a) {
    long column = ((long)blockIdx.x * 128 + threadIdx.x) * PACK;
    if (column >= a.width) {
        return;
    }
    for (long token = blockIdx.y; token < a.tokens; token += gridDim.y) {
        float gate[PACK], up[PACK], gradient[PACK];
        long row = 2 * token * a.width + column;
        load_values(a.gate_up + row, gate);
        load_values(a.gate_up + row + a.width, up);
        load_values(a.h + token * a.width + column, gradient);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            float g = gate[p], s = sigmoid(g);
            gate[p] = gradient[p] * up[p] * s * (1.0f + g * (1.0f - s));
            up[p] = gradient[p] * g * s;
        }
        store_values(a.grad_gate_up + row, gate);
        store_values(a.grad_gate_up + row + a.width, up);
    }
}
