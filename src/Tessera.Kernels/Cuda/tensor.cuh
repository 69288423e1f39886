// The tensor cores' product of bf16 tiles with f32 sums, and the moves that feed it (sm_80 and newer). A warp's fragments of
// m16n8k16, with group = lane / 4 and quarter = lane % 4: A has rows group and group + 8, columns 2·quarter and 2·quarter + 8, two
// neighbours a register; B has the same places of the sums for column group; the sums have rows group and group + 8, columns
// 2·quarter and 2·quarter + 1.
// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16".
#pragma once

// sums += A·B; upper and lower are rows group and group + 8, each with the columns of the first and of the second half.
__device__ __forceinline__ void multiply_add(
    float (&sums)[4], unsigned upper0, unsigned lower0, unsigned upper1, unsigned lower1, unsigned b0, unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(upper0), "r"(lower0), "r"(upper1), "r"(lower1), "r"(b0), "r"(b1));
}

__device__ __forceinline__ unsigned shared_address(const void *place) { return (unsigned)__cvta_generic_to_shared(place); }

// Four 8 × 8 tiles of bf16 from shared memory; lane l gives the address of row l % 8 of tile l / 8.
__device__ __forceinline__ void load_tiles(unsigned (&tiles)[4], unsigned address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
                 : "r"(address));
}

// 16 bytes from global to shared memory behind the program's back; zeros where they do not exist.
__device__ __forceinline__ void copy_ahead(unsigned address, const void *source, bool exists) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(source), "r"(exists ? 16 : 0) : "memory");
}
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `Open` groups of copies are under way.
template <int Open> __device__ __forceinline__ void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory"); }
