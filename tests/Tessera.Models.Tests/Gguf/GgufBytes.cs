using System.Text;

namespace Tessera.Models.Tests.Gguf;

/// <summary>A GGUF file put together field by field, so that each can be wrong.</summary>
internal sealed class GgufBytes
{
    private readonly MemoryStream _bytes = new();

    /// <summary>Magic number, version, and the counts that follow.</summary>
    public static GgufBytes Header(ulong tensors, ulong entries, uint version = 3, string magic = "GGUF")
    {
        var file = new GgufBytes();
        file._bytes.Write(Encoding.ASCII.GetBytes(magic));
        return file.Write(version).Write(tensors).Write(entries);
    }

    public GgufBytes Write(uint value) => Raw(BitConverter.GetBytes(value));

    public GgufBytes Write(ulong value) => Raw(BitConverter.GetBytes(value));

    public GgufBytes Raw(params byte[] bytes)
    {
        _bytes.Write(bytes);
        return this;
    }

    public GgufBytes Text(string text) => Write((ulong)Encoding.UTF8.GetByteCount(text)).Raw(Encoding.UTF8.GetBytes(text));

    /// <summary>A 32-bit entry.</summary>
    public GgufBytes Entry(string key, uint value) => Text(key).Write(4u).Write(value);

    /// <summary>An entry of the tensors' list.</summary>
    public GgufBytes Tensor(string name, uint type, ulong offset, params ulong[] dimensions)
    {
        Text(name).Write((uint)dimensions.Length);
        foreach (ulong size in dimensions)
        {
            Write(size);
        }

        return Write(type).Write(offset);
    }

    /// <summary>Zeros up to a multiple, then as many as are wanted.</summary>
    public GgufBytes Data(int count, int alignment = 32)
    {
        int padding = (int)((alignment - (_bytes.Length % alignment)) % alignment);
        return Raw(new byte[padding + count]);
    }

    public byte[] ToArray() => _bytes.ToArray();
}
