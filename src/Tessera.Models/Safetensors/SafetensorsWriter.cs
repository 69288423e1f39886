using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Checkpoints;

namespace Tessera.Models.Safetensors;

/// <summary>Writes safetensors files byte for byte as the format's reference writer does, each one atomically.</summary>
/// <remarks>
/// Tensors go by element type, widest first, then by name; the header is padded with spaces so that data begins at a
/// multiple of 8. Data streams from memory to disk: tensors above 2 GiB are no special case.
/// </remarks>
public static unsafe class SafetensorsWriter
{
    /// <summary>Largest sum of tensor bytes in one shard unless told otherwise: 5 GB.</summary>
    public const long DefaultShardBytes = 5_000_000_000;

    private const int ChunkBytes = 64 << 20;
    private static readonly Dictionary<string, string> PyTorchMetadata = new() { ["format"] = "pt" };

    /// <summary>Creates or replaces one file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">Its tensors in any order.</param>
    /// <param name="metadata">Free strings; left out, <c>format</c> is <c>pt</c>, which other software asks for.</param>
    /// <exception cref="ArgumentException">A name is repeated or not allowed, or a shape impossible.</exception>
    public static void Write(
        string path,
        IReadOnlyList<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        List<TensorToWrite> sorted = Sort(tensors);
        byte[] header = BuildHeader(sorted, metadata ?? PyTorchMetadata);
        long total = header.Length + sorted.Sum(tensor => tensor.ByteCount());
        using CpuDevice? converter = sorted.Exists(tensor => tensor.Source != tensor.Type) ? new CpuDevice() : null;
        AtomicReplacement.Write(path, total, stream =>
        {
            stream.Write(header);
            foreach (TensorToWrite tensor in sorted)
            {
                WriteData(stream, tensor, converter);
            }
        });
    }

    /// <summary>
    /// Writes <c>model.safetensors</c>, or, above the limit, shards <c>model-0000i-of-0000N.safetensors</c> filled in the
    /// order of the list, and their index; then removes what an earlier, differently cut model left in the folder.
    /// </summary>
    /// <remarks>
    /// Each file is replaced atomically, but the set is not: a crash while shards of the same count replace each other
    /// leaves a mixture. Write into a fresh folder where that matters.
    /// </remarks>
    /// <param name="folder">An existing folder.</param>
    /// <param name="tensors">All tensors; one above the limit gets its own shard.</param>
    /// <param name="metadata">As in <see cref="Write"/>, for every file.</param>
    /// <param name="shardBytes">Largest sum of tensor bytes in a file.</param>
    /// <exception cref="ArgumentException">A name is repeated or not allowed, or a shape impossible.</exception>
    public static void WriteSharded(
        string folder,
        IReadOnlyList<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null,
        long shardBytes = DefaultShardBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shardBytes);
        Sort(tensors);
        List<List<TensorToWrite>> shards = Cut(tensors, shardBytes);
        var written = new HashSet<string>(StringComparer.Ordinal);
        if (shards.Count == 1)
        {
            Write(Path.Combine(folder, SafetensorsIndex.SingleName), shards[0], metadata);
            written.Add(SafetensorsIndex.SingleName);
        }
        else
        {
            var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
            for (int i = 0; i < shards.Count; i++)
            {
                string file = SafetensorsIndex.ShardName(i + 1, shards.Count);
                Write(Path.Combine(folder, file), shards[i], metadata);
                written.Add(file);
                shards[i].ForEach(tensor => map.Add(tensor.Name, file));
            }

            SafetensorsIndex.Write(Path.Combine(folder, SafetensorsIndex.IndexName), map, tensors.Sum(tensor => tensor.ByteCount()));
            written.Add(SafetensorsIndex.IndexName);
        }

        SafetensorsIndex.RemoveOthers(folder, written);
    }

    private static List<TensorToWrite> Sort(IReadOnlyList<TensorToWrite> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        foreach (TensorToWrite tensor in tensors)
        {
            if (SafetensorsHeader.NameFault(tensor.Name) is { } fault)
            {
                throw new ArgumentException(fault, nameof(tensors));
            }

            if (!names.Add(tensor.Name))
            {
                throw new ArgumentException($"the tensor name '{tensor.Name}' is reserved or appears twice", nameof(tensors));
            }
        }

        return
        [
            .. tensors
                .OrderByDescending(tensor => SafetensorsTypes.From(tensor.Type))
                .ThenBy(tensor => tensor.Name, StringComparer.Ordinal),
        ];
    }

    private static List<List<TensorToWrite>> Cut(IReadOnlyList<TensorToWrite> tensors, long shardBytes)
    {
        var shards = new List<List<TensorToWrite>> { new() };
        long filled = 0;
        foreach (TensorToWrite tensor in tensors)
        {
            if (shards[^1].Count > 0 && filled > shardBytes - tensor.ByteCount())
            {
                shards.Add([]);
                filled = 0;
            }

            shards[^1].Add(tensor);
            filled += tensor.ByteCount();
        }

        return shards;
    }

    private static byte[] BuildHeader(List<TensorToWrite> sorted, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        buffer.Write(stackalloc byte[8]);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                WriteMetadata(json, metadata);
            }

            long position = 0;
            foreach (TensorToWrite tensor in sorted)
            {
                WriteEntry(json, tensor, position);
                position = checked(position + tensor.ByteCount());
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0)
        {
            buffer.WriteByte((byte)' ');
        }

        byte[] header = buffer.ToArray();
        long length = header.Length - 8;
        if (length > SafetensorsHeader.MaximumBytes)
        {
            throw new ArgumentException($"the header has {length} bytes, more than the format's {SafetensorsHeader.MaximumBytes}");
        }

        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject("__metadata__");
        foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, TensorToWrite tensor, long position)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", SafetensorsTypes.From(tensor.Type).Label());
        json.WriteStartArray("shape");
        foreach (long size in tensor.Shape)
        {
            json.WriteNumberValue(size);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(position);
        json.WriteNumberValue(position + tensor.ByteCount());
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteData(FileStream stream, TensorToWrite tensor, CpuDevice? converter)
    {
        long elements = tensor.ByteCount() / tensor.Type.Bytes();
        const int Most = ChunkBytes / sizeof(float);
        void* converted = tensor.Source == tensor.Type ? null : NativeMemory.Alloc((nuint)Math.Min(Most, elements), sizeof(float));
        try
        {
            for (long done = 0; done < elements; done += Most)
            {
                int count = (int)Math.Min(Most, elements - done);
                nint source = tensor.Address + (nint)(done * tensor.Source.Bytes());
                tensor.Memory.Read(source, (long)count * tensor.Source.Bytes(), room =>
                {
                    var data = (void*)room;
                    if (tensor.Source != tensor.Type)
                    {
                        var from = new MatrixView(room, tensor.Source, 1, count);
                        ParameterConversion.Copy(converter!, from, new MatrixView((nint)converted, tensor.Type, 1, count));
                        data = converted;
                    }

                    stream.Write(new ReadOnlySpan<byte>(data, count * tensor.Type.Bytes()));
                });
            }
        }
        finally
        {
            NativeMemory.Free(converted);
        }
    }
}
