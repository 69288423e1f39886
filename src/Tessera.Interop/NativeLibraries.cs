using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>NVIDIA's libraries: never bundled, found when they are first needed.</summary>
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

    private const int NewestMajor = 13;
    private static readonly Lazy<bool> Installed = new(() =>
    {
        NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
        return true;
    });

    /// <summary>NVIDIA's driver.</summary>
    public static NativeLibraryFile DriverFile { get; } = new("the CUDA driver", ["libcuda.so.1", "nvcuda.dll"], []);

    /// <summary>The compiler of device code, of a major version of CUDA and downwards.</summary>
    public static NativeLibraryFile NvrtcFile(int newestMajor = NewestMajor) => new(
        "NVRTC", Versions("libnvrtc.so", newestMajor), [.. Wheels(newestMajor), "nvidia/cuda_nvrtc/lib"]);

    /// <summary>The matrix products, of a major version of CUDA and downwards.</summary>
    public static NativeLibraryFile CublasLtFile(int newestMajor = NewestMajor) => new(
        "cuBLASLt", Versions("libcublasLt.so", newestMajor), [.. Wheels(newestMajor), "nvidia/cublas/lib"]);

    /// <summary>The library of deep-learning kernels.</summary>
    public static NativeLibraryFile CudnnFile { get; } = new("cuDNN", ["libcudnn.so.9"], ["nvidia/cudnn/lib"]);

    /// <summary>The collectives of several cards.</summary>
    public static NativeLibraryFile NcclFile { get; } = new("NCCL", ["libnccl.so.2"], ["nvidia/nccl/lib"]);

    /// <summary>Has the names of this assembly's imports resolved here; every class of imports calls it before its first.</summary>
    internal static void Install() => _ = Installed.Value;

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name switch
    {
        CudaDriver => DriverFile.Require(LibraryFolders.System),
        Nvrtc => NvrtcFile(DriverMajor()).Require(LibraryFolders.System),
        CublasLt => CublasLtFile(DriverMajor()).Require(LibraryFolders.System),
        _ => 0,
    };

    /// <summary>The driver's major version; without a driver the newest, for compiling needs none.</summary>
    private static int DriverMajor()
    {
        if (DriverFile.Load(LibraryFolders.System) is null || Interop.CudaDriver.DriverGetVersion(out int version) != CudaStatus.Success)
        {
            return NewestMajor;
        }

        return version / 1000;
    }

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
