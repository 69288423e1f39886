using System.Diagnostics.CodeAnalysis;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Gguf;

/// <summary>A GGUF file, version 2 or 3, mapped read-only. Opening reads and checks metadata and the list of tensors.</summary>
/// <remarks>
/// Layout, little-endian: <c>GGUF</c>, version (32 bits), number of tensors and of metadata entries (64 bits each); entries (key,
/// type, value); tensors (name, number of dimensions, dimensions with the fastest first, type, offset); zeros up to the alignment;
/// data. Refused are lengths that go beyond the file, counts that cannot fit, keys or tensors twice, unknown types, overlapping
/// or unaligned data. Values are decoded only when they are asked for, so a hostile count costs no memory.
/// Source: the format's description, ggml/docs/gguf.md.
/// </remarks>
public sealed unsafe class GgufFile : IDisposable
{
    /// <summary>Key of the alignment of tensors.</summary>
    public const string AlignmentKey = "general.alignment";

    /// <summary>Alignment where the file says nothing.</summary>
    public const int DefaultAlignment = 32;

    internal const uint Magic = 0x4655_4747;
    internal const int MostDimensions = 4;
    internal const int MostNameBytes = 64;
    private const int MostKeyBytes = 65_535;
    private const int LargestAlignment = 1 << 20;

    // The least that an entry can take: a key of one byte with its length, a type, a byte; a tensor without dimensions.
    private const int LeastEntryBytes = sizeof(ulong) + 1 + sizeof(uint) + 1;
    private const int LeastTensorBytes = sizeof(ulong) + 1 + sizeof(uint) + sizeof(uint) + sizeof(ulong);

    private readonly MappedFile _file;
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GgufValue> _values = new(StringComparer.Ordinal);
    private readonly List<GgufTensor> _order = [];
    private readonly long _dataStart;

    private GgufFile(MappedFile file)
    {
        _file = file;
        var cursor = new GgufCursor(file);
        if (file.Length < 4 || cursor.UInt32("the magic number") != Magic)
        {
            throw cursor.Bad("the file does not begin with 'GGUF'");
        }

        Version = cursor.UInt32("the version");
        if (Version is not (2 or 3))
        {
            throw cursor.Bad($"the version is {Version}, expected 2 or 3 (little-endian)");
        }

        long tensors = cursor.Count(LeastTensorBytes, "the number of tensors");
        long entries = cursor.Count(LeastEntryBytes, "the number of metadata entries");
        for (long i = 0; i < entries; i++)
        {
            ReadEntry(ref cursor, i);
        }

        Alignment = ReadAlignment();
        for (long i = 0; i < tensors; i++)
        {
            ReadTensor(ref cursor, i);
        }

        _dataStart = (cursor.Position + Alignment - 1) / Alignment * Alignment;
        CheckLayout();
    }

    /// <summary>The path it was opened by.</summary>
    public string FilePath => _file.FilePath;

    /// <summary>Version of the container.</summary>
    public uint Version { get; }

    /// <summary>Every tensor begins at a multiple of this many bytes.</summary>
    public int Alignment { get; }

    /// <summary>The tensors in the file's order.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _order;

    /// <summary>The metadata by key.</summary>
    public IReadOnlyDictionary<string, GgufValue> Metadata => _values;

    /// <summary>Maps a file after checking all but its data.</summary>
    /// <exception cref="InvalidDataException">The file is missing or breaks a rule of the format; one sentence says which and where.</exception>
    public static GgufFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new GgufFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Looks a tensor up by its exact name.</summary>
    public bool TryGet(string name, [MaybeNullWhen(false)] out GgufTensor tensor) => _tensors.TryGetValue(name, out tensor);

    /// <summary>The first byte of a tensor's data.</summary>
    public nint Address(GgufTensor tensor) => (nint)(_file.Start + _dataStart + tensor.Offset);

    /// <summary>Asks the system to begin reading a tensor's bytes.</summary>
    public void WillNeed(GgufTensor tensor) => _file.WillNeed(_dataStart + tensor.Offset, tensor.Bytes);

    /// <summary>Lets go of a tensor's bytes in memory; a later read pages them in again.</summary>
    public void Release(GgufTensor tensor) => _file.Release(_dataStart + tensor.Offset, tensor.Bytes);

    /// <inheritdoc />
    public void Dispose() => _file.Dispose();

    private void ReadEntry(ref GgufCursor cursor, long index)
    {
        string key = cursor.Name(MostKeyBytes, $"the key of metadata entry {index}");
        string what = $"the value of '{key}'";
        GgufValueType type = cursor.ValueType(what);
        var value = new GgufValue(_file, key, type, cursor.Position);
        cursor.Skip(type, what);
        if (!_values.TryAdd(key, value))
        {
            throw cursor.Bad($"the metadata key '{key}' appears twice");
        }
    }

    private int ReadAlignment()
    {
        if (!_values.TryGetValue(AlignmentKey, out GgufValue? value))
        {
            return DefaultAlignment;
        }

        int alignment = value.Integer(1, LargestAlignment);
        return alignment % 8 == 0 ? alignment : throw value.Fault($"{alignment}, expected a multiple of 8");
    }

    private void ReadTensor(ref GgufCursor cursor, long index)
    {
        string name = cursor.Name(MostNameBytes, $"the name of tensor {index}");
        string quoted = SafetensorsHeader.Quote(name);
        uint rank = cursor.UInt32($"tensor {quoted}");
        if (rank > MostDimensions)
        {
            throw cursor.Bad($"tensor {quoted} has {rank} dimensions, expected at most {MostDimensions}");
        }

        var dimensions = new long[rank];
        UInt128 elements = 1;
        for (int i = 0; i < rank; i++)
        {
            ulong size = cursor.UInt64($"tensor {quoted}");
            elements *= size;
            if (size > long.MaxValue || elements > long.MaxValue)
            {
                throw cursor.Bad($"tensor {quoted} has dimensions whose product overflows");
            }

            dimensions[i] = (long)size;
        }

        uint number = cursor.UInt32($"tensor {quoted}");
        if (number > int.MaxValue || !GgufTypes.IsKnown((int)number))
        {
            throw cursor.Bad($"tensor {quoted} has the type {number}, which is not known");
        }

        var type = (GgufTensorType)number;
        long row = rank == 0 ? 1 : dimensions[0];
        if (row % type.BlockElements() != 0)
        {
            throw cursor.Bad($"tensor {quoted} has rows of {row} elements, expected a multiple of {type.BlockElements()} for {type.Label()}");
        }

        UInt128 bytes = elements / (UInt128)type.BlockElements() * (UInt128)type.BlockBytes();
        ulong offset = cursor.UInt64($"tensor {quoted}");
        if (bytes > long.MaxValue || offset > long.MaxValue)
        {
            throw cursor.Bad($"tensor {quoted} of {bytes} bytes at byte {offset} of the data cannot be in the file");
        }

        var tensor = new GgufTensor(name, type, dimensions, (long)offset, (long)bytes);
        _order.Add(tensor);
        if (!_tensors.TryAdd(name, tensor))
        {
            throw cursor.Bad($"the tensor {quoted} appears twice");
        }
    }

    // Overlaps would let a small file describe a large model.
    private void CheckLayout()
    {
        long room = Math.Max(0, _file.Length - _dataStart), end = 0;
        foreach (GgufTensor tensor in _order.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.Bytes))
        {
            string name = SafetensorsHeader.Quote(tensor.Name);
            if (tensor.Offset % Alignment != 0)
            {
                throw GgufCursor.Bad(_file, $"tensor {name} begins at byte {tensor.Offset} of the data, expected a multiple of {Alignment}");
            }

            if (tensor.Offset < end && tensor.Bytes > 0)
            {
                throw GgufCursor.Bad(_file, $"tensor {name} begins at byte {tensor.Offset} of the data, within another tensor");
            }

            if (tensor.Bytes > room || tensor.Offset > room - tensor.Bytes)
            {
                throw GgufCursor.Bad(_file, $"tensor {name} of {tensor.Bytes} bytes at byte {tensor.Offset} goes beyond the {room} bytes of data");
            }

            end = Math.Max(end, tensor.Offset + tensor.Bytes);
        }
    }
}
