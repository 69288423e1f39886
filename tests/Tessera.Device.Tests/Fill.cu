// A kernel that only tests launch: it needs a define, shared memory and three arguments.
// variant: -DFACTOR=2
struct FillArguments {
    int *target;
    long long count;
    int value;
};

extern "C" __global__ void fill(const __grid_constant__ FillArguments a) {
    extern __shared__ int room[];
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    room[threadIdx.x] = a.value * FACTOR;
    __syncthreads();
    if (i < a.count) {
        a.target[i] = room[blockDim.x - 1 - threadIdx.x] + (int)i;
    }
}
