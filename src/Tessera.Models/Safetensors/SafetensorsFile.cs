using System.Diagnostics.CodeAnalysis;
using Tessera.Models.Checkpoints;

namespace Tessera.Models.Safetensors;

/// <summary>
/// A safetensors file, mapped read-only. Opening reads and checks the header; data is paged in when it is touched.
/// </summary>
/// <remarks>
/// Addresses are valid until <see cref="Dispose"/> and may have any alignment. Data is little-endian, as every host of
/// .NET 10 is. The file may be replaced by a rename while it is mapped; a program that shortens it in place makes
/// later reads of the lost pages fault.
/// </remarks>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly Dictionary<string, SafetensorsTensor> _byName;
    private readonly MappedFile _file;
    private readonly long _dataStart;

    private SafetensorsFile(SafetensorsHeader header, MappedFile file)
    {
        _file = file;
        _dataStart = header.DataStart;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
        _byName = header.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>The path it was opened by.</summary>
    public string FilePath => _file.FilePath;

    /// <summary>Entries in the order of their bytes.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    /// <summary>The file's free strings; claims of a stranger.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Maps a file after checking its header.</summary>
    /// <exception cref="InvalidDataException">The file is missing or breaks a rule of the format; one sentence says which.</exception>
    public static SafetensorsFile Open(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: there is no such file");
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        SafetensorsHeader header = SafetensorsHeader.Read(stream, path);
        return new SafetensorsFile(header, MappedFile.Map(stream, path));
    }

    /// <summary>Looks a tensor up by its exact name.</summary>
    public bool TryGet(string name, [MaybeNullWhen(false)] out SafetensorsTensor tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>The first byte of a tensor.</summary>
    /// <exception cref="ArgumentException">The file has no tensor of that name.</exception>
    public nint Address(string name)
    {
        return TryGet(name, out SafetensorsTensor? tensor)
            ? (nint)(_file.Start + _dataStart + tensor.Offset)
            : throw new ArgumentException($"{FilePath}: there is no tensor '{name}'", nameof(name));
    }

    /// <summary>Asks the system to begin reading a tensor's bytes.</summary>
    public void WillNeed(SafetensorsTensor tensor) => _file.WillNeed(_dataStart + tensor.Offset, tensor.Bytes);

    /// <summary>Lets go of a tensor's bytes in memory; a later read pages them in again.</summary>
    public void Release(SafetensorsTensor tensor) => _file.Release(_dataStart + tensor.Offset, tensor.Bytes);

    /// <summary>Lets go of the bytes up to the <paramref name="end"/>th of a tensor, counted from its first, that were read.</summary>
    public void Release(SafetensorsTensor tensor, long end) => _file.Release(_dataStart + tensor.Offset, end);

    /// <inheritdoc />
    public void Dispose() => _file.Dispose();
}
