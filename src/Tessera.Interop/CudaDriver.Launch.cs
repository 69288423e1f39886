using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <content>Modules, functions, launches and graphs.</content>
internal static unsafe partial class CudaDriver
{
    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuModuleLoadData")]
    public static partial CudaStatus ModuleLoadData(out nint module, void* image);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuModuleUnload")]
    public static partial CudaStatus ModuleUnload(nint module);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuModuleGetFunction", StringMarshalling = StringMarshalling.Utf8)]
    public static partial CudaStatus ModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuFuncGetAttribute")]
    public static partial CudaStatus FuncGetAttribute(out int value, CudaFunctionAttribute attribute, nint function);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuFuncSetAttribute")]
    public static partial CudaStatus FuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value);

    /// <summary>Offset and size of a kernel's parameter; in drivers from 12.4 on.</summary>
    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuFuncGetParamInfo")]
    public static partial CudaStatus FuncGetParamInfo(nint function, nuint index, out nuint offset, out nuint size);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    public static partial CudaStatus OccupancyMaxActiveBlocksPerMultiprocessor(
        out int blocks, nint function, int threads, nuint sharedBytes);

    /// <summary>Launches with attributes, such as when it may start; in drivers from 11.8 on.</summary>
    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuLaunchKernelEx")]
    public static partial CudaStatus LaunchKernelEx(CudaLaunchConfig* config, nint function, void** parameters, void** extra);

    /// <summary>Describes a tensor in memory for bulk copies of boxes; the map lies at a multiple of 64 bytes.</summary>
    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuTensorMapEncodeTiled")]
    public static partial CudaStatus TensorMapEncodeTiled(
        void* map, int type, uint rank, nint address, ulong* sizes, ulong* strides, uint* box, uint* steps, int interleave, int swizzle,
        int promotion, int fill);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial CudaStatus StreamBeginCapture(nint stream, CudaCaptureMode mode);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamEndCapture")]
    public static partial CudaStatus StreamEndCapture(nint stream, out nint graph);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuStreamIsCapturing")]
    public static partial CudaStatus StreamIsCapturing(nint stream, out int status);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGraphGetNodes")]
    public static partial CudaStatus GraphGetNodes(nint graph, nint* nodes, ref nuint count);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGraphInstantiateWithFlags")]
    public static partial CudaStatus GraphInstantiate(out nint executable, nint graph, ulong flags);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGraphExecUpdate_v2")]
    public static partial CudaStatus GraphExecUpdate(nint executable, nint graph, CudaGraphUpdate* result);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGraphLaunch")]
    public static partial CudaStatus GraphLaunch(nint executable, nint stream);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGraphExecDestroy")]
    public static partial CudaStatus GraphExecDestroy(nint executable);

    [LibraryImport(NativeLibraries.CudaDriver, EntryPoint = "cuGraphDestroy")]
    public static partial CudaStatus GraphDestroy(nint graph);
}
