using Tessera.Interop;

namespace Tessera.Cli.Machine;

/// <summary>Something that is not bundled and found at run time: a shared library or a program.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="NeededFor">What does not work without it.</param>
/// <param name="Library">The library; null for a program.</param>
/// <param name="Programs">Names of a program on the PATH, the preferred one first; empty for a library.</param>
internal sealed record OptionalPart(string Name, string NeededFor, NativeLibraryFile? Library, params string[] Programs)
{
    /// <summary>All that some verb can use.</summary>
    public static IReadOnlyList<OptionalPart> All() =>
    [
        new("CUDA driver", "--device cuda", NativeLibraries.DriverFile),
        new("NVRTC", "compiling kernels for --device cuda", NativeLibraries.NvrtcForDriver()),
        new("cuBLASLt", "matrix products on --device cuda", NativeLibraries.CublasLtForDriver()),
        new("cuDNN", "the faster attention on --device cuda", NativeLibraries.CudnnFile),
        new("NCCL", "several GPUs", NativeLibraries.NcclFile),
        new("MPI", "several processes on CPUs", new NativeLibraryFile("MPI", ["libmpi.so.40", "libmpi.so.12", "libmpi.so"], [])),
        new(
            "CBC", "search --solver cbc (Debian: coinor-libcbc3); the built-in search needs nothing", NativeLibraries.CbcFile),
        new("bubblewrap", "running code that a model wrote", null, "bwrap"),
    ];

    /// <summary>Full path and version where it is found, else null. Libraries are loaded to see whether they can be.</summary>
    public (string Path, string? Version)? Find()
    {
        if (Library is null)
        {
            return Programs.Select(FindProgram).FirstOrDefault(path => path is not null) is { } program ? (program, null) : null;
        }

        // The library stays loaded: some do not survive being unloaded, and this process ends soon.
        return Library.Load(LibraryFolders.System) is { } found ? (found.Path, Library.ReadVersion?.Invoke(found.Handle)) : null;
    }

    private static string? FindProgram(string name)
    {
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator))
        {
            string path = Path.Combine(folder, name);
            if (folder.Length > 0 && File.Exists(path))
            {
                return path;
            }
        }

        return null;
    }
}
