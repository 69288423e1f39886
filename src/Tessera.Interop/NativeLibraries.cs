using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>NVIDIA's libraries, and COIN-OR's solver: never bundled, found when they are first needed.</summary>
/// <remarks>
/// A library made for a newer major version of CUDA than the driver's does not run on it, so NVRTC and cuBLASLt are taken from the
/// driver's own major version downwards.
/// </remarks>
public static class NativeLibraries
{
    /// <summary>The oldest driver, as cuDriverGetVersion counts: CUDA 12.0.</summary>
    public const int OldestDriver = 12_000;

    internal const string CudaDriver = "cuda";
    internal const string Nvrtc = "nvrtc";
    internal const string CublasLt = "cublasLt";
    internal const string Cbc = "cbc";

    private const int NewestMajor = 13;
    private static readonly Lazy<bool> Installed = new(() =>
    {
        NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
        return true;
    });

    /// <summary>NVIDIA's driver.</summary>
    public static NativeLibraryFile DriverFile { get; } = new(
        "the CUDA driver", ["libcuda.so.1", "nvcuda.dll"], [], LibraryVersion.Driver);

    /// <summary>The compiler of device code for this machine's driver.</summary>
    public static NativeLibraryFile NvrtcForDriver() => NvrtcFile(DriverMajor());

    /// <summary>The matrix products for this machine's driver.</summary>
    public static NativeLibraryFile CublasLtForDriver() => CublasLtFile(DriverMajor());

    /// <summary>The compiler of device code, of a major version of CUDA and downwards.</summary>
    public static NativeLibraryFile NvrtcFile(int newestMajor = NewestMajor) => new(
        "NVRTC", Versions("libnvrtc.so", newestMajor), [.. Wheels(newestMajor), "nvidia/cuda_nvrtc/lib"], LibraryVersion.Nvrtc);

    /// <summary>The matrix products, of a major version of CUDA and downwards.</summary>
    public static NativeLibraryFile CublasLtFile(int newestMajor = NewestMajor) => new(
        "cuBLASLt", Versions("libcublasLt.so", newestMajor), [.. Wheels(newestMajor), "nvidia/cublas/lib"], LibraryVersion.CublasLt);

    /// <summary>The library of deep-learning kernels.</summary>
    public static NativeLibraryFile CudnnFile { get; } = new(
        "cuDNN", ["libcudnn.so.9"], ["nvidia/cudnn/lib"], LibraryVersion.Cudnn);

    /// <summary>The collectives of several cards.</summary>
    public static NativeLibraryFile NcclFile { get; } = new(
        "NCCL", ["libnccl.so.2"], ["nvidia/nccl/lib"], LibraryVersion.Nccl);

    /// <summary>COIN-OR's solver of mixed-integer programs, with its C interface.</summary>
    public static NativeLibraryFile CbcFile { get; } = new("CBC", ["libCbcSolver.so.3", "libCbcSolver.so"], [], LibraryVersion.Cbc);

    /// <summary>Has the names of this assembly's imports resolved here; every class of imports calls it before its first.</summary>
    internal static void Install() => _ = Installed.Value;

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name switch
    {
        CudaDriver => DriverFile.Require(LibraryFolders.System),
        Nvrtc => NvrtcForDriver().Require(LibraryFolders.System),
        CublasLt => CublasLtForDriver().Require(LibraryFolders.System),
        Cbc => CbcFile.Require(LibraryFolders.System),
        _ => 0,
    };

    /// <summary>The driver's major version; without a driver the newest, for compiling needs none.</summary>
    private static int DriverMajor() => DriverFile.Load(LibraryFolders.System) is { } driver &&
        LibraryVersion.DriverNumber(driver.Handle) is { } number
            ? number / LibraryVersion.DriverMajor
            : NewestMajor;

    private static string[] Versions(string stem, int newestMajor) =>
        [.. Majors(newestMajor).Select(major => $"{stem}.{major}")];

    private static IEnumerable<string> Wheels(int newestMajor) => Majors(newestMajor).Select(major => $"nvidia/cu{major}/lib");

    private static IEnumerable<int> Majors(int newestMajor)
    {
        for (int major = newestMajor; major >= OldestDriver / 1000; major--)
        {
            yield return major;
        }
    }
}
