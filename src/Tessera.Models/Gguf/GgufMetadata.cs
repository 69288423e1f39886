using System.Buffers.Binary;
using System.Text;

namespace Tessera.Models.Gguf;

/// <summary>Metadata that is to be written, in the order in which it was added.</summary>
public sealed class GgufMetadata
{
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private readonly MemoryStream _bytes = new();

    /// <summary>Number of entries.</summary>
    public int Count => _keys.Count;

    /// <summary>Whether an entry was added.</summary>
    public bool Has(string key) => _keys.Contains(key);

    /// <summary>Adds a 32-bit number.</summary>
    /// <exception cref="ArgumentException">The key is there already.</exception>
    public void Add(string key, int value)
    {
        Begin(key, GgufValueType.UInt32);
        Write((uint)value);
    }

    /// <summary>Adds an f32.</summary>
    /// <inheritdoc cref="Add(string, int)" path="/exception" />
    public void Add(string key, float value)
    {
        Begin(key, GgufValueType.Float32);
        Write(BitConverter.SingleToUInt32Bits(value));
    }

    /// <summary>Adds a truth value.</summary>
    /// <inheritdoc cref="Add(string, int)" path="/exception" />
    public void Add(string key, bool value)
    {
        Begin(key, GgufValueType.Bool);
        _bytes.WriteByte(value ? (byte)1 : (byte)0);
    }

    /// <summary>Adds a string.</summary>
    /// <inheritdoc cref="Add(string, int)" path="/exception" />
    public void Add(string key, string value)
    {
        Begin(key, GgufValueType.String);
        Write(value);
    }

    /// <summary>Adds a list of strings.</summary>
    /// <inheritdoc cref="Add(string, int)" path="/exception" />
    public void Add(string key, IReadOnlyCollection<string> values)
    {
        BeginArray(key, GgufValueType.String, values.Count);
        foreach (string value in values)
        {
            Write(value);
        }
    }

    /// <summary>Adds a list of signed 32-bit numbers.</summary>
    /// <inheritdoc cref="Add(string, int)" path="/exception" />
    public void Add(string key, IReadOnlyCollection<int> values)
    {
        BeginArray(key, GgufValueType.Int32, values.Count);
        foreach (int value in values)
        {
            Write((uint)value);
        }
    }

    /// <summary>Adds a list of f32.</summary>
    /// <inheritdoc cref="Add(string, int)" path="/exception" />
    public void Add(string key, IReadOnlyCollection<float> values)
    {
        BeginArray(key, GgufValueType.Float32, values.Count);
        foreach (float value in values)
        {
            Write(BitConverter.SingleToUInt32Bits(value));
        }
    }

    internal ReadOnlySpan<byte> Bytes => _bytes.GetBuffer().AsSpan(0, (int)_bytes.Length);

    private void BeginArray(string key, GgufValueType element, int count)
    {
        Begin(key, GgufValueType.Array);
        Write((uint)element);
        Write((ulong)count);
    }

    private void Begin(string key, GgufValueType type)
    {
        if (!_keys.Add(key))
        {
            throw new ArgumentException($"the metadata key '{key}' is there already", nameof(key));
        }

        Write(key);
        Write((uint)type);
    }

    private void Write(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Write((ulong)bytes.Length);
        _bytes.Write(bytes);
    }

    private void Write(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _bytes.Write(bytes);
    }

    private void Write(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _bytes.Write(bytes);
    }
}
