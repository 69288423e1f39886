// Kernels that start before the one before them in the stream has ended (programmatic dependent launch, sm_90 and newer): their blocks are
// there when the last of its blocks leaves, and may ask for weights meanwhile. Every thread of a kernel that is declared with StartsEarly
// calls await_previous before it reads or writes anything that another kernel writes, and before it ends: so whatever has ended has
// waited for all that came before. Requests to the second-level cache are no reads.
// Source: PTX ISA, "griddepcontrol"; CUDA programming guide, "Programmatic Dependent Launch".
#pragma once

// From now on the next kernel's blocks may take the room that this kernel's leave.
__device__ __forceinline__ void admit_next() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// Everything that was asked for before has ended, and what it wrote is there.
__device__ __forceinline__ void await_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ void follow_previous() {
    admit_next();
    await_previous();
}
