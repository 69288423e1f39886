// y[t,i] += bias[i]. Specialisations: Y, BIAS (element types), PACK.
// variant: -DY=0 -DBIAS=0 -DPACK=1
// variant: -DY=1 -DBIAS=0 -DPACK=8
// variant: -DY=1 -DBIAS=1 -DPACK=8
#include "rows.cuh"
#include "succession.cuh"

struct Arguments {
    ElementOf<Y>::type *y;
    const ElementOf<BIAS>::type *bias;
    int tokens;
    int width;
};

// A thread keeps its columns' bias and walks down the rows.
extern "C" __global__ void __launch_bounds__(128) bias_forward(const __grid_constant__ Arguments a) {
    follow_previous();
    long column = ((long)blockIdx.x * 128 + threadIdx.x) * PACK;
    if (column >= a.width) {
        return;
    }
    float bias[PACK];
    load_values(a.bias + column, bias);
#pragma unroll 4
    for (long token = blockIdx.y; token < a.tokens; token += gridDim.y) {
        float values[PACK];
        load_values(a.y + token * a.width + column, values);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            values[p] += bias[p];
        }
        store_values(a.y + token * a.width + column, values);
    }
}
