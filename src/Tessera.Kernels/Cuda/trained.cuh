// The tensors of an optimiser as a table in device memory, and how blocks find theirs.
#pragma once
#include "rows.cuh"

// Elements that one block works on.
#define CHUNK 8192

// The layout of TrainedTensor in C#.
struct TrainedTensor {
    void *parameter;
    bf16 *working;
    const void *gradient;
    void *first;
    void *second;
    long count;
    long first_element;
    int first_chunk;
    int parameter_type;
    int gradient_type;
    int moment_type;
    float decay;
};

// The last tensor whose first chunk is not behind `chunk`; tensors without elements have no chunk.
__device__ __forceinline__ int tensor_of(const TrainedTensor *tensors, int count, int chunk) {
    int low = 0, high = count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (tensors[middle].first_chunk <= chunk) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

// N neighbours from element i on, of a type that is known only when the kernel runs; all threads of a block take the same branch.
template <int N> __device__ __forceinline__ void load_typed(const void *base, int type, long i, float (&values)[N]) {
    if (type == F32) {
        load_values((const float *)base + i, values);
    } else {
        load_values((const bf16 *)base + i, values);
    }
}
template <int N> __device__ __forceinline__ void store_typed(void *base, int type, long i, const float (&values)[N]) {
    if (type == F32) {
        store_values((float *)base + i, values);
    } else {
        store_values((bf16 *)base + i, values);
    }
}
