using System.Text;
using Tessera.Devices;
using Tessera.Models.Safetensors;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Safetensors;

public sealed unsafe class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_small_file_equals_the_expected_bytes()
    {
        // By hand after the format's rules: widest type first, then by name; spaces up to a multiple of 8.
        const string Header =
            """{"__metadata__":{"a":"x","format":"pt"},"i":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"f":"""
            + """{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},"h\"é":{"dtype":"BF16","shape":[0],"data_offsets":[16,16]}}""";
        long integer = 0x0102030405060708;
        float* floats = stackalloc float[] { 1f, -2f };
        string path = _folder.File("golden.safetensors");
        SafetensorsWriter.Write(
            path,
            [
                new TensorToWrite("h\"é", DType.BF16, [0], 0),
                new TensorToWrite("f", DType.F32, [1, 2], (nint)floats),
                new TensorToWrite("i", DType.I64, [], (nint)(&integer)),
            ],
            new Dictionary<string, string> { ["format"] = "pt", ["a"] = "x" });
        int padded = (Encoding.UTF8.GetByteCount(Header) + 7) / 8 * 8;
        var expected = new List<byte>();
        expected.AddRange(BitConverter.GetBytes((long)padded));
        expected.AddRange(Encoding.UTF8.GetBytes(Header));
        expected.AddRange(Enumerable.Repeat((byte)' ', 8 + padded - expected.Count));
        expected.AddRange([8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]);
        Assert.Equal(expected, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(_folder.FullPath));
    }

    [Fact]
    public void Without_metadata_the_format_key_for_PyTorch_is_written()
    {
        string path = _folder.File("a.safetensors");
        SafetensorsWriter.Write(path, []);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal("pt", file.Metadata["format"]);
        SafetensorsWriter.Write(path, [], new Dictionary<string, string>());
        Assert.Equal([8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8], File.ReadAllBytes(path));
    }

    [Fact]
    public void Files_that_the_reference_writer_made_are_written_again_with_the_same_bytes()
    {
        using var fixture = new ParityFixture("llama3");
        foreach (string name in (string[])["model.safetensors", "reference.safetensors"])
        {
            string original = Path.Combine(fixture.Folder, name);
            using SafetensorsFile file = SafetensorsFile.Open(original);
            TensorToWrite[] tensors =
            [
                .. file.Tensors.Reverse().Select(tensor => new TensorToWrite(
                    tensor.Name,
                    tensor.Type == SafetensorsType.I64 ? DType.I64 : DType.F32,
                    tensor.Shape,
                    file.Address(tensor.Name))),
            ];
            string copy = _folder.File(name);
            SafetensorsWriter.Write(copy, tensors, file.Metadata);
            Assert.True(File.ReadAllBytes(original).AsSpan().SequenceEqual(File.ReadAllBytes(copy)), $"{name} differs");
        }
    }

    [Theory]
    [InlineData("a", "a", "reserved or appears twice")]
    [InlineData("a", "__metadata__", "reserved or appears twice")]
    [InlineData("a", "line\nbreak", "control character")]
    public void Names_that_a_reader_would_refuse_are_not_written(string first, string second, string sentence)
    {
        TensorToWrite[] tensors = [new(first, DType.F32, [0], 0), new(second, DType.F32, [0], 0)];
        string path = _folder.File("a.safetensors");
        var error = Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, tensors));
        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.FullPath));
    }

    [Fact]
    public void An_impossible_shape_is_not_written()
    {
        TensorToWrite[] tensors = [new("a", DType.F32, [1L << 40, 1L << 40], 0)];
        string path = _folder.File("a.safetensors");
        Assert.Contains(
            "impossible shape [1099511627776, 1099511627776]",
            Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, tensors)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_write_that_fails_leaves_the_old_file_and_no_temporary_one()
    {
        string blocked = _folder.File("is-a-folder");
        Directory.CreateDirectory(blocked);
        Assert.ThrowsAny<Exception>(() => SafetensorsWriter.Write(blocked, []));
        Assert.Empty(Directory.GetFiles(_folder.FullPath));
        Assert.True(Directory.Exists(blocked));
    }

    [Fact]
    public void A_mapped_file_can_be_replaced_and_keeps_its_old_bytes()
    {
        float* values = stackalloc float[] { 1f, 2f };
        string path = _folder.File("a.safetensors");
        SafetensorsWriter.Write(path, [new TensorToWrite("a", DType.F32, [1], (nint)values)]);
        using SafetensorsFile old = SafetensorsFile.Open(path);
        SafetensorsWriter.Write(path, [new TensorToWrite("a", DType.F32, [1], (nint)(values + 1))]);
        using SafetensorsFile current = SafetensorsFile.Open(path);
        Assert.Equal(1f, *(float*)old.Address("a"));
        Assert.Equal(2f, *(float*)current.Address("a"));
    }

    [Fact]
    public void Shards_are_cut_greedily_in_list_order_and_read_back_equal()
    {
        using var data = GuardedFloats.Random(64, 3);
        TensorToWrite[] tensors =
        [
            Tensor("w.z", data, 0, 10), Tensor("w.a", data, 10, 6), Tensor("w.big", data, 16, 40), Tensor("w.c", data, 56, 8),
        ];
        SafetensorsWriter.WriteSharded(_folder.FullPath, tensors, shardBytes: 64);
        Assert.Equal(
            [.. Enumerable.Range(1, 3).Select(i => $"model-0000{i}-of-00003.safetensors"), "model.safetensors.index.json"],
            Files());
        Assert.Equal(
            """
            {
              "metadata": {
                "total_size": 256
              },
              "weight_map": {
                "w.a": "model-00001-of-00003.safetensors",
                "w.big": "model-00002-of-00003.safetensors",
                "w.c": "model-00003-of-00003.safetensors",
                "w.z": "model-00001-of-00003.safetensors"
              }
            }

            """,
            File.ReadAllText(_folder.File("model.safetensors.index.json")));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.FullPath);
        Assert.Equal(["w.a", "w.big", "w.c", "w.z"], checkpoint.Names);
        Assert.Equal(data.Span[..10].ToArray(), ParityFixture.ReadFloats(checkpoint, "w.z"));
        Assert.Equal(data.Span[16..56].ToArray(), ParityFixture.ReadFloats(checkpoint, "w.big"));
        Assert.Equal(data.Span[56..].ToArray(), ParityFixture.ReadFloats(checkpoint, "w.c"));
    }

    [Fact]
    public void A_new_cut_removes_the_weight_files_of_the_old_one_and_nothing_else()
    {
        using var data = GuardedFloats.Random(64, 4);
        string[] others =
        [
            "adapter-00001-of-00002.safetensors", "model-1-of-00002.safetensors", "config.json", "model-00001-of-00002.safetensors.bak",
        ];
        Array.ForEach(others, name => _folder.Write(name, "kept"));
        TensorToWrite[] tensors = [Tensor("a", data, 0, 16), Tensor("b", data, 16, 16)];
        SafetensorsWriter.WriteSharded(_folder.FullPath, tensors, shardBytes: 64);
        SafetensorsWriter.WriteSharded(_folder.FullPath, tensors);
        Assert.Equal(others.Append("model.safetensors").Order(StringComparer.Ordinal), Files());
        SafetensorsWriter.WriteSharded(_folder.FullPath, tensors, shardBytes: 64);
        Assert.DoesNotContain("model.safetensors", Files());
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.FullPath);
        Assert.Equal(data.Span[16..32].ToArray(), ParityFixture.ReadFloats(checkpoint, "b"));
    }

    public void Dispose() => _folder.Dispose();

    private static TensorToWrite Tensor(string name, GuardedFloats data, int start, int count) =>
        new(name, DType.F32, [count], (nint)(data.Pointer + start));

    private IEnumerable<string> Files() =>
        Directory.GetFiles(_folder.FullPath).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal);
}
