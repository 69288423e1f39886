using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>NVIDIA's matrix products (cublasLt.h). Every call returns its status; 0 is success.</summary>
internal static unsafe partial class CublasLt
{
    static CublasLt() => NativeLibraries.Install();

    /// <summary>The version, such as 130100; needs no card.</summary>
    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtGetVersion")]
    public static partial nuint GetVersion();

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtGetStatusString")]
    public static partial nint GetStatusString(int status);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtCreate")]
    public static partial int Create(out nint handle);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtDestroy")]
    public static partial int Destroy(nint handle);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulDescCreate")]
    public static partial int MatmulDescCreate(out nint description, CublasCompute compute, CudaDataType scale);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulDescSetAttribute")]
    public static partial int MatmulDescSetAttribute(nint description, CublasLtMatmulAttribute attribute, void* value, nuint bytes);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulDescDestroy")]
    public static partial int MatmulDescDestroy(nint description);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatrixLayoutCreate")]
    public static partial int MatrixLayoutCreate(out nint layout, CudaDataType type, ulong rows, ulong columns, long leading);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatrixLayoutSetAttribute")]
    public static partial int MatrixLayoutSetAttribute(nint layout, CublasLtLayoutAttribute attribute, void* value, nuint bytes);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatrixLayoutDestroy")]
    public static partial int MatrixLayoutDestroy(nint layout);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulPreferenceCreate")]
    public static partial int MatmulPreferenceCreate(out nint preference);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulPreferenceSetAttribute")]
    public static partial int MatmulPreferenceSetAttribute(
        nint preference, CublasLtPreferenceAttribute attribute, void* value, nuint bytes);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulPreferenceDestroy")]
    public static partial int MatmulPreferenceDestroy(nint preference);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulAlgoGetHeuristic")]
    public static partial int MatmulAlgoGetHeuristic(
        nint handle, nint description, nint a, nint b, nint c, nint d, nint preference, int wanted, CublasLtHeuristic* results,
        out int found);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmulAlgoConfigGetAttribute")]
    public static partial int MatmulAlgoConfigGetAttribute(
        CublasLtAlgorithm* algorithm, CublasLtAlgorithmAttribute attribute, void* value, nuint bytes, out nuint written);

    [LibraryImport(NativeLibraries.CublasLt, EntryPoint = "cublasLtMatmul")]
    public static partial int Matmul(
        nint handle, nint description, void* alpha, nint a, nint aLayout, nint b, nint bLayout, void* beta, nint c, nint cLayout,
        nint d, nint dLayout, CublasLtAlgorithm* algorithm, nint workspace, nuint workspaceBytes, nint stream);

    /// <summary>Throws unless <paramref name="status"/> is success.</summary>
    /// <exception cref="CudaException">It is not; the message holds <paramref name="shape"/>.</exception>
    public static void Check(int status, string call, string shape = "")
    {
        if (status != 0)
        {
            string detail = shape.Length > 0 ? $"; {shape}" : string.Empty;
            throw new CudaException(call, status, $"{call} failed: {Marshal.PtrToStringUTF8(GetStatusString(status))}{detail}");
        }
    }
}
