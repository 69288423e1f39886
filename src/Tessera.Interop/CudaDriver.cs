using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>The CUDA driver (cuda.h): cards, contexts, streams, events. Every call returns its status.</summary>
/// <remarks>Names are the header's without <c>cu</c>; an entry point with a version suffix is the one that the header maps to.</remarks>
internal static unsafe partial class CudaDriver
{
    static CudaDriver() => NativeLibraries.Install();

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuInit")]
    public static partial CudaStatus Init(uint flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDriverGetVersion")]
    public static partial CudaStatus DriverGetVersion(out int version);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGetErrorName")]
    public static partial CudaStatus GetErrorName(CudaStatus status, out nint name);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGetErrorString")]
    public static partial CudaStatus GetErrorString(CudaStatus status, out nint text);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDeviceGetCount")]
    public static partial CudaStatus DeviceGetCount(out int count);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDeviceGet")]
    public static partial CudaStatus DeviceGet(out int device, int ordinal);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDeviceGetName")]
    public static partial CudaStatus DeviceGetName(byte* name, int length, int device);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDeviceTotalMem_v2")]
    public static partial CudaStatus DeviceTotalMem(out nuint bytes, int device);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDeviceGetAttribute")]
    public static partial CudaStatus DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDevicePrimaryCtxRetain")]
    public static partial CudaStatus DevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial CudaStatus DevicePrimaryCtxRelease(int device);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuCtxSetCurrent")]
    public static partial CudaStatus CtxSetCurrent(nint context);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuCtxGetCurrent")]
    public static partial CudaStatus CtxGetCurrent(out nint context);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamCreateWithPriority")]
    public static partial CudaStatus StreamCreateWithPriority(out nint stream, uint flags, int priority);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamDestroy_v2")]
    public static partial CudaStatus StreamDestroy(nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamSynchronize")]
    public static partial CudaStatus StreamSynchronize(nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamQuery")]
    public static partial CudaStatus StreamQuery(nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamWaitEvent")]
    public static partial CudaStatus StreamWaitEvent(nint stream, nint @event, uint flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuEventCreate")]
    public static partial CudaStatus EventCreate(out nint @event, CudaEventFlags flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuEventDestroy_v2")]
    public static partial CudaStatus EventDestroy(nint @event);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuEventRecord")]
    public static partial CudaStatus EventRecord(nint @event, nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuEventSynchronize")]
    public static partial CudaStatus EventSynchronize(nint @event);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuEventQuery")]
    public static partial CudaStatus EventQuery(nint @event);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuEventElapsedTime")]
    public static partial CudaStatus EventElapsedTime(out float milliseconds, nint start, nint end);

    /// <summary>The header's name of a status, such as CUDA_ERROR_OUT_OF_MEMORY, and what it means.</summary>
    public static string Describe(CudaStatus status)
    {
        string? name = GetErrorName(status, out nint text) == CudaStatus.Success ? Marshal.PtrToStringUTF8(text) : null;
        string? meaning = GetErrorString(status, out text) == CudaStatus.Success ? Marshal.PtrToStringUTF8(text) : null;
        return name is null ? $"status {(int)status}" : $"{name} ({meaning})";
    }
}
