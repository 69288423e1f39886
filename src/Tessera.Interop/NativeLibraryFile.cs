using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>A shared library that is not bundled and is found at run time.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="FileNames">Names it may have, the preferred one first.</param>
/// <param name="WheelFolders">Folders below site-packages in which Python wheels carry it.</param>
/// <param name="ReadVersion">Asks a loaded one for its version; null where nothing tells.</param>
public sealed record NativeLibraryFile(
    string Name, IReadOnlyList<string> FileNames, IReadOnlyList<string> WheelFolders, Func<nint, string?>? ReadVersion = null)
{
    /// <summary>The first file that can be loaded, and its handle; null if there is none.</summary>
    public (string Path, nint Handle)? Load(LibraryFolders folders)
    {
        foreach (string file in FileNames)
        {
            foreach (string candidate in folders.Candidates(file, WheelFolders))
            {
                if (NativeLibrary.TryLoad(candidate, out nint handle))
                {
                    return (Path.IsPathRooted(candidate) ? candidate : LoadedPath(candidate) ?? candidate, handle);
                }
            }
        }

        return null;
    }

    /// <summary>Loads it.</summary>
    /// <exception cref="DllNotFoundException">It is not there; the message names what was tried.</exception>
    public nint Require(LibraryFolders folders) => Load(folders)?.Handle ?? throw new DllNotFoundException(
        $"{Name} was not found: tried {string.Join(", ", FileNames)} in {folders.Describe(WheelFolders)}");

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
