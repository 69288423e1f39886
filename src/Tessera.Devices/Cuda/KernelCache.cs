using System.Security.Cryptography;

namespace Tessera.Devices;

/// <summary>Compiled kernels on disk, by the hash of everything that went into them; any number of processes may share a folder.</summary>
/// <remarks>A file is written under another name and renamed. A folder that cannot be written costs time and is no error.</remarks>
internal sealed class KernelCache(string folder)
{
    /// <summary>Where files lie.</summary>
    public string Folder => folder;

    /// <summary>TESSERA_KERNEL_CACHE, else tessera/kernels in the user's folder of caches.</summary>
    public static KernelCache Default()
    {
        if (Environment.GetEnvironmentVariable("TESSERA_KERNEL_CACHE") is { Length: > 0 } chosen)
        {
            return new KernelCache(chosen);
        }

        string caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return new KernelCache(Path.Combine(caches, "tessera", "kernels"));
    }

    /// <summary>The file of this name, or null.</summary>
    public byte[]? Read(string name)
    {
        try
        {
            string path = Path.Combine(folder, name);
            return File.Exists(path) ? File.ReadAllBytes(path) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What was written by <see cref="WriteSealed"/>, or null where there is nothing, or not all of it, or something else.</summary>
    /// <remarks>The driver takes an image's lengths from the image itself and reads beyond the end of one that was cut off.</remarks>
    public byte[]? ReadSealed(string name)
    {
        byte[]? file = Read(name);
        int length = (file?.Length ?? 0) - SHA256.HashSizeInBytes;
        return length >= 0 && SHA256.HashData(file.AsSpan(0, length)).AsSpan().SequenceEqual(file.AsSpan(length))
            ? file.AsSpan(0, length).ToArray()
            : null;
    }

    /// <summary>Writes a file with the SHA-256 of its content behind it, if the folder allows it.</summary>
    public void WriteSealed(string name, ReadOnlySpan<byte> content) => Write(name, [.. content, .. SHA256.HashData(content)]);

    /// <summary>Writes a file, if the folder allows it.</summary>
    public void Write(string name, ReadOnlySpan<byte> content)
    {
        try
        {
            Directory.CreateDirectory(folder);
            string path = Path.Combine(folder, name), temporary = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():N}";
            File.WriteAllBytes(temporary, content);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The next start compiles again.
        }
    }
}
