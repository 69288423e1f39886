// Matrix products of a warpgroup (128 threads), sm_90a: operands are read from shared memory by the tensor cores themselves, while the
// threads go on. Descriptors and fragments as in the PTX manual, "asynchronous warpgroup level matrix instructions".
//
// A tile lies in panels of 64 columns; a panel has 128 bytes a row, whose eight chunks of 16 bytes are permuted by the row:
// chunk c of row r is at c ^ (r % 8). Tiles begin at multiples of 1024 bytes.
#pragma once
#include "tensor_core.cuh"

#define PANEL_BYTES(rows) ((rows) * 128)

// Offset in bytes of the 16 bytes from column 8·chunk of a row.
template <int Rows> __device__ __forceinline__ int panel_offset(int row, int chunk) {
    return (chunk >> 3) * PANEL_BYTES(Rows) + row * 128 + (((chunk & 7) ^ (row & 7)) << 4);
}

// Shared memory written by threads is seen by the tensor cores: in every writing thread, between its writes and the barrier.
__device__ __forceinline__ void show_to_tensor_cores() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Registers written by threads are seen by the products that follow.
__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
// Ends a group of products.
__device__ __forceinline__ void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most Groups groups are under way.
template <int Groups> __device__ __forceinline__ void wait_products() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Groups) : "memory"); }

__device__ __forceinline__ unsigned long descriptor_of(const void *start, unsigned leading_bytes) {
    return (unsigned long)((shared_address(start) & 0x3ffff) >> 4) | (unsigned long)(leading_bytes >> 4) << 16
        | (unsigned long)(1024 >> 4) << 32 | 1ul << 62;
}
// Rows of a tile as an operand whose inner dimension are the columns [16·k, 16·k + 16).
template <int Rows> __device__ __forceinline__ unsigned long by_columns(const unsigned char *tile, int first_row, int k) {
    return descriptor_of(tile + (k >> 2) * PANEL_BYTES(Rows) + first_row * 128 + (k & 3) * 32, 16);
}
// Columns of a tile as an operand whose inner dimension are the rows [16·k, 16·k + 16).
template <int Rows> __device__ __forceinline__ unsigned long by_rows(const unsigned char *tile, int first_panel, int k) {
    return descriptor_of(tile + first_panel * PANEL_BYTES(Rows) + k * 16 * 128, PANEL_BYTES(Rows));
}

// Keeps the compiler from moving registers of products that are under way.
template <int N> __device__ __forceinline__ void hold(float (&d)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; n++) {
        asm volatile("" : "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])::"memory");
    }
}

// D[64, 8·N] = A·Bᵀ, or += with `add`; A and B by_columns. Warp w of the group holds rows 16·w … as C of m16n8k16.
#define SUMS(c) "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
__device__ __forceinline__ void multiply_shared(float (&d)[8][4], unsigned long a, unsigned long b, bool add) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31"
                 "}, %32, %33, p, 1, 1, 0, 0;}"
                 : SUMS(d[0]), SUMS(d[1]), SUMS(d[2]), SUMS(d[3]), SUMS(d[4]), SUMS(d[5]), SUMS(d[6]), SUMS(d[7])
                 : "l"(a), "l"(b), "r"((int)add));
}
__device__ __forceinline__ void multiply_shared(float (&d)[16][4], unsigned long a, unsigned long b, bool add) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %66, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, "
                 "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
                 "}, %64, %65, p, 1, 1, 0, 0;}"
                 : SUMS(d[0]), SUMS(d[1]), SUMS(d[2]), SUMS(d[3]), SUMS(d[4]), SUMS(d[5]), SUMS(d[6]), SUMS(d[7]), SUMS(d[8]),
                   SUMS(d[9]), SUMS(d[10]), SUMS(d[11]), SUMS(d[12]), SUMS(d[13]), SUMS(d[14]), SUMS(d[15])
                 : "l"(a), "l"(b), "r"((int)add));
}
// D[64, 8·N] = A·B, or += with `add`; A in registers, 16 rows a warp, B by_rows.
__device__ __forceinline__ void multiply_registers(float (&d)[8][4], const FragmentA &a, unsigned long b, bool add) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %37, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31"
                 "}, {%32, %33, %34, %35}, %36, p, 1, 1, 1;}"
                 : SUMS(d[0]), SUMS(d[1]), SUMS(d[2]), SUMS(d[3]), SUMS(d[4]), SUMS(d[5]), SUMS(d[6]), SUMS(d[7])
                 : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "l"(b), "r"((int)add));
}
__device__ __forceinline__ void multiply_registers(float (&d)[16][4], const FragmentA &a, unsigned long b, bool add) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, "
                 "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
                 "}, {%64, %65, %66, %67}, %68, p, 1, 1, 1;}"
                 : SUMS(d[0]), SUMS(d[1]), SUMS(d[2]), SUMS(d[3]), SUMS(d[4]), SUMS(d[5]), SUMS(d[6]), SUMS(d[7]), SUMS(d[8]),
                   SUMS(d[9]), SUMS(d[10]), SUMS(d[11]), SUMS(d[12]), SUMS(d[13]), SUMS(d[14]), SUMS(d[15])
                 : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "l"(b), "r"((int)add));
}
// D[64, 64] = A·B, or += with `add`; A[m, k] and B[k, n] by_rows, both from shared memory.
__device__ __forceinline__ void multiply_shared_rows(float (&d)[8][4], unsigned long a, unsigned long b, bool add) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31"
                 "}, %32, %33, p, 1, 1, 1, 1;}"
                 : SUMS(d[0]), SUMS(d[1]), SUMS(d[2]), SUMS(d[3]), SUMS(d[4]), SUMS(d[5]), SUMS(d[6]), SUMS(d[7])
                 : "l"(a), "l"(b), "r"((int)add));
}
#undef SUMS
