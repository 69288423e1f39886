// Addition and scaling, element by element. A thread works on 8 neighbours: 16-byte accesses where all addresses allow them.
// variant: -DA=0 -DB=0 -DSUM=0
// variant: -DA=1 -DB=0 -DSUM=1
// variant: -DTARGET=0
// variant: -DTARGET=1
#include "rows.cuh"
#include "succession.cuh"

#define NEIGHBOURS 8

__device__ __forceinline__ bool is_aligned(const void *address) { return ((unsigned long long)address & 15) == 0; }

#ifdef SUM
struct AddArguments {
    const ElementOf<A>::type *a;
    const ElementOf<B>::type *b;
    ElementOf<SUM>::type *sum;
    long long count;
};

// Every element is read by the thread that writes it, before it writes: sum may be a or b.
extern "C" __global__ void residual_add(const __grid_constant__ AddArguments arguments) {
    follow_previous();
    long long first = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * NEIGHBOURS;
    long long left = arguments.count - first;
    if (left >= NEIGHBOURS && is_aligned(arguments.a) && is_aligned(arguments.b) && is_aligned(arguments.sum)) {
        float x[NEIGHBOURS], y[NEIGHBOURS];
        load_values(arguments.a + first, x);
        load_values(arguments.b + first, y);
        for (int i = 0; i < NEIGHBOURS; i++) {
            x[i] += y[i];
        }
        store_values(arguments.sum + first, x);
        return;
    }
    for (int i = 0; i < NEIGHBOURS && i < left; i++) {
        narrow(widen(arguments.a[first + i]) + widen(arguments.b[first + i]), arguments.sum[first + i]);
    }
}
#endif

#ifdef TARGET
struct ScaleArguments {
    ElementOf<TARGET>::type *target;
    long long count;
    float factor;
};

extern "C" __global__ void residual_scale(const __grid_constant__ ScaleArguments arguments) {
    long long first = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * NEIGHBOURS;
    long long left = arguments.count - first;
    if (left >= NEIGHBOURS && is_aligned(arguments.target)) {
        float x[NEIGHBOURS];
        load_values(arguments.target + first, x);
        for (int i = 0; i < NEIGHBOURS; i++) {
            x[i] *= arguments.factor;
        }
        store_values(arguments.target + first, x);
        return;
    }
    for (int i = 0; i < NEIGHBOURS && i < left; i++) {
        narrow(widen(arguments.target[first + i]) * arguments.factor, arguments.target[first + i]);
    }
}
#endif
