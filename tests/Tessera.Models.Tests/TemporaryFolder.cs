namespace Tessera.Models.Tests;

/// <summary>An empty folder of its own, deleted with all it holds.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => FullPath = Directory.CreateTempSubdirectory("tessera-models-").FullName;

    public string FullPath { get; }

    public string File(string name) => Path.Combine(FullPath, name);

    public string Write(string name, byte[] content)
    {
        string path = File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);

        // A new file each time: ext4 flushes a file to the disk when it was cut to nothing and written again.
        System.IO.File.Delete(path);
        System.IO.File.WriteAllBytes(path, content);
        return path;
    }

    public string Write(string name, string content) => Write(name, System.Text.Encoding.UTF8.GetBytes(content));

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
