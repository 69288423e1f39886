using System.Runtime.InteropServices;

namespace Tessera.Cli.Machine;

/// <summary>Something that is not bundled and found at run time: a shared library or a program.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Files">Names it may have, the preferred one first.</param>
/// <param name="IsProgram">A program on the PATH instead of a library.</param>
/// <param name="NeededFor">What does not work without it.</param>
internal sealed record OptionalPart(string Name, string[] Files, bool IsProgram, string NeededFor)
{
    /// <summary>All that some verb can use.</summary>
    public static IReadOnlyList<OptionalPart> All { get; } =
    [
        new("CUDA driver", ["libcuda.so.1", "nvcuda.dll"], false, "--device cuda"),
        new("NVRTC", ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"], false, "compiling kernels for --device cuda"),
        new("cuBLASLt", ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"], false, "matrix products on --device cuda"),
        new("cuDNN", ["libcudnn.so.9"], false, "the faster attention on --device cuda"),
        new("NCCL", ["libnccl.so.2"], false, "several GPUs"),
        new("MPI", ["libmpi.so.40", "libmpi.so.12", "libmpi.so"], false, "several processes on CPUs"),
        new("CBC", ["libCbcSolver.so.3", "libCbcSolver.so"], false, "the search by mixed-integer programming (Debian: coinor-libcbc3); the built-in search needs nothing"),
        new("bubblewrap", ["bwrap"], true, "running code that a model wrote"),
    ];

    /// <summary>The full path where it is found, else null. Libraries are loaded to see whether they can be.</summary>
    public string? Find() => IsProgram ? Files.Select(FindProgram).FirstOrDefault(path => path is not null) : Files.Select(FindLibrary).FirstOrDefault(path => path is not null);

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

    private static string? FindLibrary(string name)
    {
        if (!NativeLibrary.TryLoad(name, out nint handle))
        {
            return null;
        }

        string path = LoadedPath(name) ?? name;
        NativeLibrary.Free(handle);
        return path;
    }

    /// <summary>Where the loader found a library, from the list of this process's mappings.</summary>
    private static string? LoadedPath(string name)
    {
        const string Mappings = "/proc/self/maps";
        if (!File.Exists(Mappings))
        {
            return null;
        }

        string stem = name[..(name.IndexOf(".so", StringComparison.Ordinal) is > 0 and var end ? end : name.Length)];
        foreach (string line in File.ReadLines(Mappings))
        {
            int start = line.IndexOf('/', StringComparison.Ordinal);
            if (start >= 0 && Path.GetFileName(line.AsSpan(start)).StartsWith(stem + ".so", StringComparison.Ordinal))
            {
                return line[start..];
            }
        }

        return null;
    }
}
