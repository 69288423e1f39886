// The norm of all gradients together, in two stages of fixed order, and the factor that clips it. Squares of f32 are exact in double.
#include "trained.cuh"

// Of 256 threads, in a fixed order.
__device__ __forceinline__ double block_total(double x, double *room) {
    x = warp_sum(x);
    if ((threadIdx.x & 31) == 0) {
        room[threadIdx.x >> 5] = x;
    }
    __syncthreads();
    double sum = 0.0;
    for (int w = 0; w < 8; w++) {
        sum += room[w];
    }
    return sum;
}

struct PartialArguments {
    const TrainedTensor *tensors;
    double *partials;
    int count;
};

extern "C" __global__ void __launch_bounds__(256) norm_partials(const __grid_constant__ PartialArguments a) {
    __shared__ double room[8];
    const TrainedTensor t = a.tensors[tensor_of(a.tensors, a.count, blockIdx.x)];
    long start = ((long)blockIdx.x - t.first_chunk) * CHUNK, end = min(start + CHUNK, t.count);
    bool aligned = ((unsigned long long)t.gradient & 15) == 0;
    double sum = 0.0;
    for (long i = start + threadIdx.x * 8; i < end; i += 256 * 8) {
        if (aligned && i + 8 <= end) {
            float values[8];
            load_typed(t.gradient, t.gradient_type, i, values);
#pragma unroll
            for (int p = 0; p < 8; p++) {
                sum += (double)values[p] * values[p];
            }
        } else {
            for (long one = i; one < min(i + 8, end); one++) {
                float value[1];
                load_typed(t.gradient, t.gradient_type, one, value);
                sum += (double)value[0] * value[0];
            }
        }
    }
    sum = block_total(sum, room);
    if (threadIdx.x == 0) {
        a.partials[blockIdx.x] = sum;
    }
}

struct TotalArguments {
    const TrainedTensor *tensors;
    const double *partials;
    double *sums;
    int count;
    int chunks;
};

// sums[i] = the chunks of tensor i = blockIdx.x.
extern "C" __global__ void __launch_bounds__(256) norm_totals(const __grid_constant__ TotalArguments a) {
    __shared__ double room[8];
    int tensor = blockIdx.x, end = tensor + 1 < a.count ? a.tensors[tensor + 1].first_chunk : a.chunks;
    double sum = 0.0;
    for (int chunk = a.tensors[tensor].first_chunk + threadIdx.x; chunk < end; chunk += 256) {
        sum += a.partials[chunk];
    }
    sum = block_total(sum, room);
    if (threadIdx.x == 0) {
        a.sums[tensor] = sum;
    }
}

// The layout of GradientClip in C#.
struct Clip {
    double squares;
    float norm;
    float factor;
};

struct ClipArguments {
    const double *sums;
    Clip *result;
    double limit;
    int count;
};

// One thread: tensors are few, and are added in their order.
extern "C" __global__ void norm_clip(const __grid_constant__ ClipArguments a) {
    double squares = 0.0;
    for (int i = 0; i < a.count; i++) {
        squares += a.sums[i];
    }
    double norm = sqrt(squares);
    a.result->squares = squares;
    a.result->norm = (float)norm;
    // What is no number stays none, so that the update can refuse it.
    a.result->factor = norm - norm != 0.0 ? (float)(norm - norm) : a.limit > 0.0 && norm > a.limit ? (float)(a.limit / norm) : 1.0f;
}
