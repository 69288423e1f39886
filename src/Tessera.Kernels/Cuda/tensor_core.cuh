// Matrix products of a warp in bf16 with f32 sums (sm_80 and newer), and copies into shared memory that run beside them.
// Fragments as in the PTX manual: mma.m16n8k16, ldmatrix.
#pragma once
#include "element.cuh"

// A of m16n8k16: [16, 16] by rows.
struct FragmentA {
    unsigned r[4];
};

// Two neighbouring B of m16n8k16, [16, 8] by columns each: r[0..1] is the first, r[2..3] the second.
struct FragmentB2 {
    unsigned r[4];
};

__device__ __forceinline__ unsigned shared_address(const void *pointer) { return (unsigned)__cvta_generic_to_shared(pointer); }

// Copies Bytes (4, 8 or 16) to shared memory behind the caller's back; zeros where nothing is present.
template <int Bytes> __device__ __forceinline__ void copy_async(void *destination, const void *source, bool present) {
    int count = present ? Bytes : 0;
    unsigned address = shared_address(destination);
    if constexpr (Bytes == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(source), "r"(count) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(address), "l"(source), "r"(count), "n"(Bytes) : "memory");
    }
}
// Ends a group of copies.
__device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most Groups of this thread's groups are under way.
template <int Groups> __device__ __forceinline__ void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory"); }

__device__ __forceinline__ void load_matrices(unsigned (&r)[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}
__device__ __forceinline__ void load_matrices_transposed(unsigned (&r)[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}

// Four 8×8 matrices to shared memory, sm_90: lane l says where row l % 8 of matrix l / 8 begins.
__device__ __forceinline__ void store_matrices(const unsigned (&r)[4], void *row) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared_address(row)), "r"(r[0]), "r"(r[1]),
                 "r"(r[2]), "r"(r[3])
                 : "memory");
}

// A[i, k] = tile[i, k]: 16 rows, 16 columns from `tile`.
__device__ __forceinline__ FragmentA load_a(const bf16 *tile, int stride) {
    int lane = threadIdx.x & 31;
    FragmentA a;
    load_matrices(a.r, tile + (lane & 15) * stride + (lane >> 4) * 8);
    return a;
}
// B[k, n] = tile[n, k]: 16 rows n, 16 columns k from `tile`.
__device__ __forceinline__ FragmentB2 load_b_of_rows(const bf16 *tile, int stride) {
    int lane = threadIdx.x & 31;
    FragmentB2 b;
    load_matrices(b.r, tile + ((lane & 7) + ((lane >> 4) << 3)) * stride + ((lane >> 3) & 1) * 8);
    return b;
}
// B[k, n] = tile[k, n]: 16 rows k, 16 columns n from `tile`.
__device__ __forceinline__ FragmentB2 load_b_of_columns(const bf16 *tile, int stride) {
    int lane = threadIdx.x & 31;
    FragmentB2 b;
    load_matrices_transposed(b.r, tile + (lane & 15) * stride + (lane >> 4) * 8);
    return b;
}

// C[16, 8] += A·B. This lane holds c[0..1] at row lane / 4, columns 2·(lane % 4) + {0, 1}, and c[2..3] eight rows below.
__device__ __forceinline__ void multiply_add(float (&c)[4], const FragmentA &a, unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b0), "r"(b1));
}
// Two neighbours of C[16, 8].
__device__ __forceinline__ void multiply_add(float (&c0)[4], float (&c1)[4], const FragmentA &a, const FragmentB2 &b) {
    multiply_add(c0, a, b.r[0], b.r[1]);
    multiply_add(c1, a, b.r[2], b.r[3]);
}

// Two neighbours of C[16, 8], rounded, are an A of the next product: no lane needs another's numbers.
__device__ __forceinline__ FragmentA as_a(const float (&c0)[4], const float (&c1)[4]) {
    FragmentA a;
    a.r[0] = narrow_pair(c0[0], c0[1]);
    a.r[1] = narrow_pair(c0[2], c0[3]);
    a.r[2] = narrow_pair(c1[0], c1[1]);
    a.r[3] = narrow_pair(c1[2], c1[3]);
    return a;
}

// 2^x, relative error about 2^-22; 0 at minus infinity.
__device__ __forceinline__ float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
