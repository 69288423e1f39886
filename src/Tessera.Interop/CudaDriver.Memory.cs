using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <content>Memory: copies, pinned host memory, reserved addresses with memory mapped into them.</content>
internal static unsafe partial class CudaDriver
{
    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemGetInfo_v2")]
    public static partial CudaStatus MemGetInfo(out nuint free, out nuint total);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemHostAlloc")]
    public static partial CudaStatus MemHostAlloc(out nint address, nuint bytes, uint flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemFreeHost")]
    public static partial CudaStatus MemFreeHost(nint address);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static partial CudaStatus MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static partial CudaStatus MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    public static partial CudaStatus MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemsetD8Async")]
    public static partial CudaStatus MemsetD8Async(nint destination, byte value, nuint bytes, nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemAddressReserve")]
    public static partial CudaStatus MemAddressReserve(out nint address, nuint bytes, nuint alignment, nint wanted, ulong flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemAddressFree")]
    public static partial CudaStatus MemAddressFree(nint address, nuint bytes);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemGetAllocationGranularity")]
    public static partial CudaStatus MemGetAllocationGranularity(out nuint bytes, CudaAllocation* allocation, int option);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemCreate")]
    public static partial CudaStatus MemCreate(out ulong handle, nuint bytes, CudaAllocation* allocation, ulong flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemRelease")]
    public static partial CudaStatus MemRelease(ulong handle);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemMap")]
    public static partial CudaStatus MemMap(nint address, nuint bytes, nuint offset, ulong handle, ulong flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemUnmap")]
    public static partial CudaStatus MemUnmap(nint address, nuint bytes);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuMemSetAccess")]
    public static partial CudaStatus MemSetAccess(nint address, nuint bytes, CudaAccess* access, nuint count);
}
