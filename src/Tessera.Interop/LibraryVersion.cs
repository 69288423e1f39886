using System.Globalization;
using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>Asks loaded libraries for their versions; null from one that has no such function.</summary>
internal static unsafe class LibraryVersion
{
    /// <summary>The driver counts 1000 a major version and 10 a minor one.</summary>
    public const int DriverMajor = 1000;

    public static int? DriverNumber(nint library)
    {
        int version = 0;
        return NativeLibrary.TryGetExport(library, "cuDriverGetVersion", out nint function) &&
            ((delegate* unmanaged<int*, int>)function)(&version) == 0
                ? version
                : null;
    }

    public static string? Driver(nint library) =>
        DriverNumber(library) is { } number ? $"{number / DriverMajor}.{number % DriverMajor / 10}" : null;

    public static string? Nvrtc(nint library)
    {
        int major = 0, minor = 0;
        return NativeLibrary.TryGetExport(library, "nvrtcVersion", out nint function) &&
            ((delegate* unmanaged<int*, int*, int>)function)(&major, &minor) == 0
                ? $"{major}.{minor}"
                : null;
    }

    public static string? CublasLt(nint library) => Returned(library, "cublasLtGetVersion");

    public static string? Cudnn(nint library) => Returned(library, "cudnnGetVersion");

    public static string? Nccl(nint library)
    {
        int version = 0;
        return NativeLibrary.TryGetExport(library, "ncclGetVersion", out nint function) &&
            ((delegate* unmanaged<int*, int>)function)(&version) == 0
                ? Parts(version)
                : null;
    }

    public static string? Cbc(nint library) => NativeLibrary.TryGetExport(library, "Cbc_getVersion", out nint function)
        ? Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)function)())
        : null;

    private static string? Returned(nint library, string name) => NativeLibrary.TryGetExport(library, name, out nint function)
        ? Parts((long)((delegate* unmanaged<nuint>)function)())
        : null;

    /// <summary>Two digits each for minor version and patch.</summary>
    private static string Parts(long number) => string.Create(
        CultureInfo.InvariantCulture, $"{number / 10_000}.{number / 100 % 100}.{number % 100}");
}
