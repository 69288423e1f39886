using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;

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
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _data;
    private bool _disposed;

    private SafetensorsFile(string path, SafetensorsHeader header, MemoryMappedViewAccessor view)
    {
        FilePath = path;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
        _byName = header.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        _view = view;
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _data = start + view.PointerOffset + header.DataStart;
    }

    /// <summary>The path it was opened by.</summary>
    public string FilePath { get; }

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

        // The view outlives stream and mapping, so that a checkpoint of many shards holds no file descriptors.
        using var map = MemoryMappedFile.CreateFromFile(
            stream,
            mapName: null,
            capacity: 0,
            MemoryMappedFileAccess.Read,
            HandleInheritability.None,
            leaveOpen: true);
        return new SafetensorsFile(path, header, map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read));
    }

    /// <summary>Looks a tensor up by its exact name.</summary>
    public bool TryGet(string name, [MaybeNullWhen(false)] out SafetensorsTensor tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>The first byte of a tensor.</summary>
    /// <exception cref="ArgumentException">The file has no tensor of that name.</exception>
    public nint Address(string name)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return TryGet(name, out SafetensorsTensor? tensor)
            ? (nint)(_data + tensor.Offset)
            : throw new ArgumentException($"{FilePath}: there is no tensor '{name}'", nameof(name));
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
        }
    }
}
