using System.Buffers.Binary;
using System.Text;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Gguf;

/// <summary>A tensor that is to be written.</summary>
/// <param name="Name">Its name, at most 63 bytes: readers keep a zero behind it in 64.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Sizes, slowest first.</param>
/// <param name="Write">Writes its bytes, piece by piece, so that converted data is never whole in memory.</param>
public sealed record GgufTensorToWrite(string Name, GgufTensorType Type, long[] Shape, Action<Stream> Write)
{
    /// <summary>Bytes that <see cref="Write"/> writes.</summary>
    public long ByteCount => checked(Shape.Aggregate(1L, (product, size) => product * size) / Type.BlockElements() * Type.BlockBytes());
}

/// <summary>Writes GGUF files, version 3, atomically and with data streamed.</summary>
public static class GgufWriter
{
    private const int Alignment = GgufFile.DefaultAlignment;

    /// <summary>Creates or replaces a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <param name="tensors">Its tensors, in this order.</param>
    /// <exception cref="ArgumentException">A name is too long or repeated, or a row holds no whole blocks.</exception>
    public static void Write(string path, GgufMetadata metadata, IReadOnlyList<GgufTensorToWrite> tensors)
    {
        byte[] header = Header(metadata, tensors);
        long total = header.Length + tensors.Sum(tensor => Padded(tensor.ByteCount));
        AtomicReplacement.Write(path, total, stream =>
        {
            stream.Write(header);
            foreach (GgufTensorToWrite tensor in tensors)
            {
                long start = stream.Position;
                tensor.Write(stream);
                if (stream.Position - start != tensor.ByteCount)
                {
                    throw new InvalidOperationException($"tensor '{tensor.Name}' wrote {stream.Position - start} bytes of {tensor.ByteCount}");
                }

                stream.Write(new byte[(int)(Padded(tensor.ByteCount) - tensor.ByteCount)]);
            }
        });
    }

    private static byte[] Header(GgufMetadata metadata, IReadOnlyList<GgufTensorToWrite> tensors)
    {
        using var buffer = new MemoryStream();
        Write(buffer, GgufFile.Magic);
        Write(buffer, 3u);
        Write(buffer, (ulong)tensors.Count);
        Write(buffer, (ulong)metadata.Count);
        buffer.Write(metadata.Bytes);
        var names = new HashSet<string>(StringComparer.Ordinal);
        long offset = 0;
        foreach (GgufTensorToWrite tensor in tensors)
        {
            byte[] name = Encoding.UTF8.GetBytes(tensor.Name);
            if (name.Length >= GgufFile.MostNameBytes || !names.Add(tensor.Name))
            {
                throw new ArgumentException($"the tensor name '{tensor.Name}' is repeated or has more than {GgufFile.MostNameBytes - 1} bytes", nameof(tensors));
            }

            if (tensor.Shape.Length is 0 or > GgufFile.MostDimensions || tensor.Shape[^1] % tensor.Type.BlockElements() != 0)
            {
                throw new ArgumentException(
                    $"tensor '{tensor.Name}' of {tensor.Type.Label()} has the impossible shape {SafetensorsTensor.ShapeText(tensor.Shape)}", nameof(tensors));
            }

            Write(buffer, (ulong)name.Length);
            buffer.Write(name);
            Write(buffer, (uint)tensor.Shape.Length);
            foreach (long size in tensor.Shape.Reverse())
            {
                Write(buffer, (ulong)size);
            }

            Write(buffer, (uint)tensor.Type);
            Write(buffer, (ulong)offset);
            offset = checked(offset + Padded(tensor.ByteCount));
        }

        buffer.Write(new byte[(int)(Padded(buffer.Length) - buffer.Length)]);
        return buffer.ToArray();
    }

    private static long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Write(MemoryStream stream, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void Write(MemoryStream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }
}
