// Rotary positions of the leading heads of packed rows, in place. Specialisations: ROWS (element type), PACK.
// variant: -DROWS=0 -DPACK=1
// variant: -DROWS=1 -DPACK=8
#include "rows.cuh"

struct Arguments {
    ElementOf<ROWS>::type *rows;
    const int *positions;
    const float *cosines;
    const float *sines;
    long stride;
    int tokens;
    int heads;
    int half;
    int covered;
    float direction;
};

// A block of (x, y) threads serves y tokens; the x threads of a token take its packs of pairs.
extern "C" __global__ void __launch_bounds__(256) rope_rotate(const __grid_constant__ Arguments a) {
    long token = (long)blockIdx.x * blockDim.y + threadIdx.y;
    if (token >= a.tokens) {
        return;
    }
    // A position beyond the table is the caller's mistake; nothing outside the table is read for it.
    int position = a.positions[token];
    if ((unsigned)position >= (unsigned)a.covered) {
        return;
    }
    int packs = a.half / PACK;
    for (int i = threadIdx.x; i < a.heads * packs; i += blockDim.x) {
        int head = i / packs, j = (i - head * packs) * PACK;
        ElementOf<ROWS>::type *left = a.rows + token * a.stride + (long)head * 2 * a.half + j;
        float cosine[PACK], sine[PACK], x[PACK], y[PACK];
        load_values(a.cosines + (long)position * a.half + j, cosine);
        load_values(a.sines + (long)position * a.half + j, sine);
        load_values(left, x);
        load_values(left + a.half, y);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            float s = a.direction * sine[p], first = x[p];
            x[p] = first * cosine[p] - y[p] * s;
            y[p] = y[p] * cosine[p] + first * s;
        }
        store_values(left, x);
        store_values(left + a.half, y);
    }
}
