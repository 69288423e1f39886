using System.Text;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;

namespace Tessera.Models.Tests.Gguf;

public sealed class GgufFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_type_of_value_is_read(uint version)
    {
        string path = _folder.Write("values.gguf", GgufBytes.Header(0, 15, version)
            .Text("u8").Write(0u).Raw(200)
            .Text("i8").Write(1u).Raw(0xFE)
            .Text("u16").Write(2u).Raw(0x39, 0x30)
            .Text("i16").Write(3u).Raw(0xFF, 0xFF)
            .Text("u32").Write(4u).Write(70_000u)
            .Text("i32").Write(5u).Write(unchecked((uint)-7))
            .Text("f32").Write(6u).Raw(BitConverter.GetBytes(1e-5f))
            .Text("bool").Write(7u).Raw(1)
            .Text("text").Write(8u).Text("größer")
            .Text("u64").Write(10u).Write(1UL << 30)
            .Text("i64").Write(11u).Write(unchecked((ulong)-9L))
            .Text("f64").Write(12u).Raw(BitConverter.GetBytes(0.25))
            .Text("texts").Write(9u).Write(8u).Write(2UL).Text("a").Text("")
            .Text("floats").Write(9u).Write(6u).Write(2UL).Raw(BitConverter.GetBytes(1f)).Raw(BitConverter.GetBytes(-2f))
            .Text("nested").Write(9u).Write(9u).Write(1UL).Write(5u).Write(1UL).Write(3u)
            .ToArray());
        using var file = GgufFile.Open(path);
        Assert.Equal(version, file.Version);
        int Number(string key) => file.Metadata[key].Integer(int.MinValue, int.MaxValue);
        Assert.Equal([200, -2, 12345, -1, 70_000, -7, 1 << 30, -9], ((string[])["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"]).Select(Number));
        Assert.Equal(1e-5, file.Metadata["f32"].Positive());
        Assert.Equal(0.25, file.Metadata["f64"].Positive());
        Assert.True(file.Metadata["bool"].Flag());
        Assert.Equal("größer", file.Metadata["text"].Text());
        Assert.Equal(["a", ""], file.Metadata["texts"].Texts(2));
        Assert.Equal([1f, -2f], file.Metadata["floats"].Floats(2));
        Assert.Equal(1, file.Metadata["nested"].Count);
        Assert.Equal([70_000, 70_000, 70_000], file.Metadata["u32"].PerLayer(3, 0, 1 << 20));
        foreach (string key in (string[])["text", "texts", "f32"])
        {
            Assert.Contains(key, Assert.Throws<InvalidDataException>(() => Number(key)).Message, StringComparison.Ordinal);
        }

        Assert.Contains("texts", Assert.Throws<InvalidDataException>(() => file.Metadata["texts"].Texts(1)).Message, StringComparison.Ordinal);
        Assert.Contains("u64", Assert.Throws<InvalidDataException>(() => file.Metadata["u64"].Integer(0, 5)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_written_is_read_at_aligned_places()
    {
        var metadata = new GgufMetadata();
        metadata.Add("a.number", 3);
        metadata.Add("a.list", [4, -5]);
        metadata.Add("a.texts", ["x", "y"]);
        metadata.Add("a.flag", true);
        Assert.Throws<ArgumentException>(() => metadata.Add("a.flag", "again"));
        byte[][] contents = [[1, 2, 3, 4], [.. Enumerable.Range(0, 36).Select(i => (byte)i)], [9, 9, 9, 9]];
        GgufWriter.Write(_folder.File("model.gguf"), metadata,
        [
            new("one", GgufTensorType.F32, [1], stream => stream.Write(contents[0])),
            new("two", GgufTensorType.Q4_0, [2, 32], stream => stream.Write(contents[1])),
            new("three", GgufTensorType.F16, [1, 2], stream => stream.Write(contents[2])),
        ]);
        using var file = GgufFile.Open(_folder.File("model.gguf"));
        Assert.Equal(["one", "two", "three"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal([4, -5], file.Metadata["a.list"].Integers(2, -9, 9));
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(0, file.Tensors[i].Offset % 32);
            Assert.Equal(contents[i], Bytes(file.Address(file.Tensors[i]), (int)file.Tensors[i].Bytes));
        }

        Assert.Equal(0, new FileInfo(_folder.File("model.gguf")).Length % 32);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_beside_it()
    {
        string path = _folder.Write("model.gguf", "old");
        Assert.Throws<InvalidOperationException>(() => GgufWriter.Write(path, new GgufMetadata(), [new("x", GgufTensorType.F32, [2], stream => stream.Write(new byte[4]))]));
        Assert.Throws<ArgumentException>(() => GgufWriter.Write(path, new GgufMetadata(), [new("x", GgufTensorType.Q8_0, [33], _ => { })]));
        Assert.Throws<ArgumentException>(() => GgufWriter.Write(path, new GgufMetadata(), [new(new string('n', 64), GgufTensorType.F32, [1], _ => { })]));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder.FullPath));
    }

    public static TheoryData<string, byte[], string> Damaged() => new()
    {
        { "empty", [], "GGUF" },
        { "short", Encoding.ASCII.GetBytes("GGU"), "GGUF" },
        { "magic", GgufBytes.Header(0, 0, magic: "GGML").ToArray(), "GGUF" },
        { "version 1", GgufBytes.Header(0, 0, version: 1).ToArray(), "version" },
        { "big-endian version", GgufBytes.Header(0, 0, version: 0x0300_0000).ToArray(), "version" },
        { "no counts", GgufBytes.Header(0, 0).ToArray()[..12], "number of tensors" },
        { "tensor count", GgufBytes.Header(ulong.MaxValue, 0).ToArray(), "number of tensors" },
        { "entry count", GgufBytes.Header(0, 1UL << 40).ToArray(), "number of metadata entries" },
        { "key length", GgufBytes.Header(0, 1).Write(1UL << 62).Raw(new byte[64]).ToArray(), "key of metadata entry 0" },
        { "key too long", GgufBytes.Header(0, 1).Entry(new string('k', 65_536), 0).ToArray(), "65535" },
        { "empty key", GgufBytes.Header(0, 1).Entry("", 0).ToArray(), "empty" },
        { "key with control character", GgufBytes.Header(0, 1).Entry("a\nb", 0).ToArray(), "control" },
        { "key not UTF-8", GgufBytes.Header(0, 1).Write(1UL).Raw(0xFF).Write(4u).Write(0u).ToArray(), "UTF-8" },
        { "key twice", GgufBytes.Header(0, 2).Entry("same", 1).Entry("same", 2).ToArray(), "'same' appears twice" },
        { "value type", GgufBytes.Header(0, 1).Text("key").Write(13u).Write(0u).ToArray(), "'key'" },
        { "value cut", GgufBytes.Header(0, 1).Text("key").Write(10u).Raw(1, 2, 3).ToArray(), "'key'" },
        { "bool of two", GgufBytes.Header(0, 1).Text("key").Write(7u).Raw(2).ToArray(), "'key' is the truth value 2" },
        { "string beyond the file", GgufBytes.Header(0, 1).Text("key").Write(8u).Write(100UL).Raw(1, 2).ToArray(), "'key' should have 100 bytes" },
        { "array count", GgufBytes.Header(0, 1).Text("key").Write(9u).Write(4u).Write(1UL << 61).ToArray(), "'key'" },
        { "array of strings cut", GgufBytes.Header(0, 1).Text("key").Write(9u).Write(8u).Write(2UL).Text("a").Write(9UL).ToArray(), "'key'" },
        { "array type", GgufBytes.Header(0, 1).Text("key").Write(9u).Write(77u).Write(0UL).ToArray(), "'key'" },
        { "arrays too deep", GgufBytes.Header(0, 1).Text("key").Write(9u).Write(9u).Write(1UL).Write(9u).Write(1UL).Write(9u).Write(1UL).Write(9u).Write(1UL).Write(9u).Write(0UL).Raw(new byte[40]).ToArray(), "more than 4 deep" },
        { "alignment of 12", GgufBytes.Header(0, 1).Entry("general.alignment", 12).ToArray(), "general.alignment" },
        { "alignment of 0", GgufBytes.Header(0, 1).Entry("general.alignment", 0).ToArray(), "general.alignment" },
        { "alignment of text", GgufBytes.Header(0, 1).Text("general.alignment").Write(8u).Text("32").ToArray(), "general.alignment" },
        { "tensor name", GgufBytes.Header(1, 0).Tensor(new string('n', 65), 0, 0, 1).Data(32).ToArray(), "64" },
        { "tensor twice", GgufBytes.Header(2, 0).Tensor("w", 0, 0, 8).Tensor("w", 0, 32, 8).Data(64).ToArray(), "'w' appears twice" },
        { "five dimensions", GgufBytes.Header(1, 0).Tensor("w", 0, 0, 1, 1, 1, 1, 1).Data(32).ToArray(), "'w' has 5 dimensions" },
        { "dimensions overflow", GgufBytes.Header(1, 0).Tensor("w", 0, 0, 1UL << 40, 1UL << 40).Data(32).ToArray(), "'w'" },
        { "dimension above 63 bits", GgufBytes.Header(1, 0).Tensor("w", 0, 0, ulong.MaxValue).Data(32).ToArray(), "'w'" },
        { "bytes overflow", GgufBytes.Header(1, 0).Tensor("w", 0, 0, long.MaxValue).Data(32).ToArray(), "'w'" },
        { "type", GgufBytes.Header(1, 0).Tensor("w", 4, 0, 8).Data(32).ToArray(), "'w' has the type 4" },
        { "blocks", GgufBytes.Header(1, 0).Tensor("w", 8, 0, 33).Data(64).ToArray(), "'w' has rows of 33" },
        { "unaligned", GgufBytes.Header(1, 0).Tensor("w", 0, 8, 4).Data(64).ToArray(), "'w' begins at byte 8" },
        { "beyond the end", GgufBytes.Header(1, 0).Tensor("w", 0, 32, 9).Data(64).ToArray(), "'w' of 36 bytes" },
        { "no data", GgufBytes.Header(1, 0).Tensor("w", 0, 0, 1).ToArray(), "'w' of 4 bytes" },
        { "offset above 63 bits", GgufBytes.Header(1, 0).Tensor("w", 0, 1UL << 63, 1).Data(64).ToArray(), "'w'" },
        { "overlap", GgufBytes.Header(2, 0).Tensor("v", 0, 0, 16).Tensor("w", 0, 32, 8).Data(64).ToArray(), "'w' begins at byte 32 of the data, within another tensor" },
        { "list of tensors cut", GgufBytes.Header(1, 0).Tensor("w", 0, 0, 8).ToArray()[..^4], "within tensor 'w'" },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void Damage_is_one_sentence_that_names_file_and_place(string what, byte[] bytes, string part)
    {
        string path = _folder.Write("bad.gguf", bytes);
        var error = Assert.Throws<InvalidDataException>(() => GgufFile.Open(path));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Contains(part, StringComparison.Ordinal), $"{what}: {error.Message}");
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Assert.Contains("nowhere.gguf", Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder.File("nowhere.gguf"))).Message, StringComparison.Ordinal);

    [Fact]
    public void Random_damage_is_refused_or_harmless_and_never_takes_memory()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(
            [new(new AttentionConfiguration(2), new SwiGluConfiguration(32)), new(SmallModel.NoMixer, new SwiGluConfiguration(32))], hidden: 32));
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, GgufTensorType.Q8_0, "small");
        byte[] original = File.ReadAllBytes(path);
        int header = 2200, refused = 0;
        const int Mutants = 500;
        long live = Arena.LiveBytes;
        for (int i = 0; i < Mutants; i++)
        {
            var random = new CounterRandom(11, (ulong)i);
            byte[] head = Mutation.Apply(original[..header], ref random);
            string bad = _folder.Write("bad.gguf", [.. head, .. original[header..]]);
            try
            {
                using var loaded = ModelFolder.Load(bad);
                Assert.True(loaded.Configuration.ParameterCount <= 2L * original.Length);
            }
            catch (InvalidDataException error)
            {
                Assert.StartsWith(bad, error.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.Equal(live, Arena.LiveBytes);
        Assert.InRange(refused, Mutants / 2, Mutants);
    }

    public void Dispose() => _folder.Dispose();

    private static unsafe byte[] Bytes(nint address, int count) => new Span<byte>((void*)address, count).ToArray();
}
