using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Tessera.Models.Safetensors;

/// <summary>
/// The checked header of a file: entries in the order of their bytes. The checks are those of the format's reference
/// reader, in its order, and a few of ours (rank, names, repeated names); memory is bounded by a multiple of the header.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Longest header that is read, in bytes.</summary>
    public const long MaximumBytes = 100_000_000;

    private const int PrefixBytes = 8;

    private SafetensorsHeader(long dataStart, SafetensorsTensor[] tensors, IReadOnlyDictionary<string, string> metadata)
    {
        DataStart = dataStart;
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>Position in the file of the first byte of data.</summary>
    public long DataStart { get; }

    /// <summary>Entries by ascending offset.</summary>
    public SafetensorsTensor[] Tensors { get; }

    /// <summary>The strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    public static SafetensorsHeader Read(FileStream stream, string path)
    {
        long fileBytes = stream.Length;
        if (fileBytes < PrefixBytes)
        {
            throw Bad(path, $"the file has {fileBytes} bytes, expected at least 8 for the length of the header");
        }

        Span<byte> prefix = stackalloc byte[PrefixBytes];
        Fill(stream, prefix, path);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaximumBytes)
        {
            throw Bad(path, $"the header's length is {length}, expected at most {MaximumBytes}");
        }

        long dataStart = PrefixBytes + (long)length;
        if (dataStart > fileBytes)
        {
            throw Bad(path, $"the header ends at byte {dataStart}, but the file has {fileBytes} bytes");
        }

        byte[] text = GC.AllocateUninitializedArray<byte>((int)length);
        Fill(stream, text, path);
        if (!Utf8.IsValid(text))
        {
            throw Bad(path, "the header is not valid UTF-8");
        }

        var (tensors, metadata) = SafetensorsHeaderParser.Parse(text, path);
        Array.Sort(tensors, static (a, b) => (a.Offset, a.Bytes).CompareTo((b.Offset, b.Bytes)));
        long end = CheckLayout(tensors, path);
        if (end != fileBytes - dataStart)
        {
            throw Bad(path, $"the tensors take {end} bytes, but {fileBytes - dataStart} bytes follow the header");
        }

        return new SafetensorsHeader(dataStart, tensors, metadata);
    }

    /// <summary>Why a name may not be used, or null.</summary>
    public static string? NameFault(string name)
    {
        const int MaximumLength = 1024;
        if (name.Length > MaximumLength)
        {
            return $"a tensor's name has {name.Length} characters, expected at most {MaximumLength}";
        }

        return name.AsSpan().ContainsAnyInRange('\u0000', '\u001f') || name.AsSpan().ContainsAnyInRange('\u007f', '\u009f')
            ? $"the tensor name {Quote(name)} contains a control character"
            : null;
    }

    public static InvalidDataException Bad(string path, string fault) => new($"{path}: {fault}");

    /// <summary>A string from a file, made safe and short for a message.</summary>
    public static string Quote(string text)
    {
        const int Longest = 100;
        var result = new StringBuilder("'");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, Longest)))
        {
            result.Append(char.IsControl(c) ? '?' : c);
        }

        return result.Append(text.Length > Longest ? "…'" : "'").ToString();
    }

    private static long CheckLayout(SafetensorsTensor[] tensors, string path)
    {
        long position = 0;
        foreach (SafetensorsTensor tensor in tensors)
        {
            string name = Quote(tensor.Name);
            if (tensor.Offset != position)
            {
                throw Bad(
                    path,
                    $"tensor {name} begins at byte {tensor.Offset} of the data, expected {position}: gaps and overlaps are not allowed");
            }

            if (tensor.Bytes < 0)
            {
                throw Bad(path, $"tensor {name} ends at byte {tensor.Offset + tensor.Bytes}, before its beginning {tensor.Offset}");
            }

            if (!TryBits(tensor, out long bits))
            {
                throw Bad(path, $"tensor {name} has the shape {SafetensorsTensor.ShapeText(tensor.Shape)}, whose size overflows");
            }

            if (bits % 8 != 0)
            {
                throw Bad(path, $"tensor {name} of type {tensor.Type.Label()} has {bits} bits, expected whole bytes");
            }

            if (bits / 8 != tensor.Bytes)
            {
                throw Bad(path, $"tensor {name} has {tensor.Bytes} bytes, expected {bits / 8} for {tensor}");
            }

            position += tensor.Bytes;
        }

        return position;
    }

    private static bool TryBits(SafetensorsTensor tensor, out long bits)
    {
        // The elements first and the width last, as the reference does: a zero behind an overflow does not excuse it.
        UInt128 product = 1;
        foreach (long size in tensor.Shape)
        {
            product *= (UInt128)size;
            if (product > long.MaxValue)
            {
                bits = 0;
                return false;
            }
        }

        product *= (UInt128)tensor.Type.Bits();
        bits = product > long.MaxValue ? 0 : (long)product;
        return product <= long.MaxValue;
    }

    private static void Fill(FileStream stream, Span<byte> buffer, string path)
    {
        try
        {
            stream.ReadExactly(buffer);
        }
        catch (EndOfStreamException)
        {
            throw Bad(path, "the file became shorter while it was read");
        }
    }
}
