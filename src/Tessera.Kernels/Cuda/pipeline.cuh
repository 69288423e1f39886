// Roles within a block on sm_90a: a warp that asks for tiles ahead, warpgroups that multiply them, and barriers in shared memory between
// them. As in the PTX manual, "mbarrier", "cp.async.bulk", "setmaxnreg", "bar".
#pragma once
#include "tensor_core.cuh"

// A CUtensorMap: how a matrix lies in global memory, and what boxes are taken from it. TensorMap in C#.
struct __align__(64) TensorMap {
    unsigned long words[16];
};

// A barrier in shared memory. It counts arrivals and bytes; phases alternate in parity, and that of before the first has passed.
struct Barrier {
    unsigned long state;

    __device__ __forceinline__ unsigned address() const { return shared_address(this); }
    __device__ __forceinline__ void start(int arrivals) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address()), "r"(arrivals) : "memory");
    }
    __device__ __forceinline__ void arrive() { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address()) : "memory"); }
    // Arrives, and the phase does not end before so many more bytes are there.
    __device__ __forceinline__ void arrive_and_expect(int bytes) {
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address()), "r"(bytes) : "memory");
    }
    // The phase does not end before this thread's copies (cp.async) up to now are there; another arrival must be outstanding.
    __device__ __forceinline__ void arrive_with_copies() {
        asm volatile("cp.async.mbarrier.arrive.shared::cta.b64 [%0];" ::"r"(address()) : "memory");
    }
    __device__ __forceinline__ bool has_passed(int parity) const {
        int passed;
        asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.b32 %0, 1, 0, p;}"
                     : "=r"(passed)
                     : "r"(address()), "r"(parity)
                     : "memory");
        return passed != 0;
    }
    __device__ __forceinline__ void wait(int parity) const {
        while (!has_passed(parity)) {
        }
    }
};
// Makes started barriers known to copies: by the thread that started them, before the block's barrier.
__device__ __forceinline__ void show_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

// A place in a ring of stages: the parity of the phases that begin there.
template <int Stages> struct Ring {
    int stage = 0, parity = 0;
    __device__ __forceinline__ void advance() {
        if (++stage == Stages) {
            stage = 0, parity ^= 1;
        }
    }
};

// Starts copying a box at three coordinates; the barrier gets its bytes.
__device__ __forceinline__ void copy_box(void *destination, const TensorMap &map, int c0, int c1, int c2, Barrier &barrier) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
                     shared_address(destination)),
                 "l"(&map), "r"(barrier.address()), "r"(c0), "r"(c1), "r"(c2)
                 : "memory");
}
__device__ __forceinline__ void fetch_map(const TensorMap &map) { asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"); }

// Starts writing or adding f32 from shared memory to global memory, 16 bytes and more; both belong to a group of this thread's.
__device__ __forceinline__ void store_bulk(float *destination, const void *source, int bytes) {
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(destination), "r"(shared_address(source)), "r"(bytes)
                 : "memory");
}
__device__ __forceinline__ void add_bulk(float *destination, const void *source, int bytes) {
    asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(destination),
                 "r"(shared_address(source)), "r"(bytes)
                 : "memory");
}
__device__ __forceinline__ void end_bulk() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
// Waits until all groups have been read from shared memory, or are done.
__device__ __forceinline__ void wait_bulk_reads() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
__device__ __forceinline__ void wait_bulk() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// Counters in global memory that order blocks: what happened before `raise` has happened for who then reads its count.
__device__ __forceinline__ int level_of(const int *counter) {
    int level;
    asm volatile("ld.acquire.gpu.global.b32 %0, [%1];" : "=r"(level) : "l"(counter) : "memory");
    return level;
}
__device__ __forceinline__ void raise(int *counter) { asm volatile("red.release.gpu.global.add.s32 [%0], 1;" ::"l"(counter) : "memory"); }
// Orders this thread's ordinary accesses and those of copies.
__device__ __forceinline__ void order_with_copies() { asm volatile("fence.proxy.async;" ::: "memory"); }

// A barrier of some whole warps; ids 1 to 15. `pass` only arrives.
__device__ __forceinline__ void meet(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
__device__ __forceinline__ void pass(int id, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// Registers of a thread, by all threads of a warpgroup: given back, or waited for.
template <int Count> __device__ __forceinline__ void shrink_to() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count)); }
template <int Count> __device__ __forceinline__ void grow_to() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count)); }
