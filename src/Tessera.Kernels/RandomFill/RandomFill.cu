// Normal numbers by counter. Specialisations: TARGET (element type).
// variant: -DTARGET=0
// variant: -DTARGET=1
#include "rows.cuh"
#include "random.cuh"

struct Arguments {
    ElementOf<TARGET>::type *target;
    unsigned long long seed;
    unsigned long long stream;
    long first;
    long count;
    float deviation;
};

// In (0, 1]: 24 bits and a half, in the order of CounterRandom.NextSingle.
__device__ __forceinline__ double uniform(unsigned word) {
    return __fmul_rn(__fadd_rn((float)(word >> 8), 0.5f), 1.0f / 16777216.0f);
}

// Two words of a block give one number (Box and Muller); element i of a stream takes words 2·i and 2·i + 1.
__device__ __forceinline__ float gaussian(unsigned radius_word, unsigned angle_word) {
    double radius = sqrt(-2.0 * log(uniform(radius_word)));
    return (float)(radius * cos(6.283185307179586 * uniform(angle_word)));
}

extern "C" __global__ void __launch_bounds__(256) random_gaussian(const __grid_constant__ Arguments a) {
    // Element i of the array is element first + i of the stream; a thread takes the elements of one block of the generator.
    long block = a.first / 2 + (long)blockIdx.x * 256 + threadIdx.x;
    for (; 2 * block < a.first + a.count; block += (long)gridDim.x * 256) {
        RandomWords words = random_block(a.seed, a.stream, (unsigned long long)block);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            long i = 2 * block + half - a.first;
            if (i >= 0 && i < a.count) {
                narrow(__fmul_rn(gaussian(words.word[2 * half], words.word[2 * half + 1]), a.deviation), a.target[i]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) fill_constant(const __grid_constant__ Arguments a) {
    for (long i = (long)blockIdx.x * 256 + threadIdx.x; i < a.count; i += (long)gridDim.x * 256) {
        narrow(a.deviation, a.target[i]);
    }
}
