using Tessera.Devices;
using Tessera.Models.Safetensors;
using Tessera.TestSupport;
using static Tessera.Models.Tests.Safetensors.SafetensorsBytes;

namespace Tessera.Models.Tests.Safetensors;

public sealed unsafe class SafetensorsCheckpointTests : IDisposable
{
    private const string IndexName = "model.safetensors.index.json";
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string> BadIndices() => new()
    {
        { "{", "is not valid JSON" },
        { "[]", "is not a JSON object" },
        { "{}", "weight_map is missing" },
        { """{"weight_map":[]}""", "weight_map is [], expected an object" },
        { """{"weight_map":{"a":3}}""", "weight_map.a is 3, expected a string" },
        { """{"weight_map":{"a":null}}""", "weight_map.a is null, expected a file name" },
        { """{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}""", "has a key twice" },
        { """{"weight_map":{"a":"../one.safetensors"}}""", "expected a file inside the folder" },
        { """{"weight_map":{"a":"sub/../one.safetensors"}}""", "expected a file inside the folder" },
        { """{"weight_map":{"a":"/etc/passwd"}}""", "expected a file inside the folder" },
        { """{"weight_map":{"a":"C:one.safetensors"}}""", "expected a file inside the folder" },
        { """{"weight_map":{"a":"sub\\one.safetensors"}}""", "expected a file inside the folder" },
        { """{"weight_map":{"a":""}}""", "expected a file inside the folder" },
        { """{"weight_map":{"a":"absent.safetensors"}}""", "names the file 'absent.safetensors', which is not there" },
        { """{"weight_map":{"a":"sub"}}""", "names the file 'sub', which is not there" },
        { """{"weight_map":{"b":"one.safetensors"}}""", "places tensor 'b' in 'one.safetensors', which does not hold it" },
        { """{"weight_map":{"a":"one.safetensors","b":"sub/two.safetensors"}}""", "tensor 'a' is also in" },
    };

    [Theory]
    [MemberData(nameof(BadIndices))]
    public void A_bad_index_is_refused_with_one_sentence(string index, string sentence)
    {
        _folder.Write("one.safetensors", File($"{{{Entry("a", "U8", "1", "0,1")}}}", 1));
        _folder.Write("sub/two.safetensors", File($"{{{Entry("a", "U8", "1", "0,1")},{Entry("b", "U8", "1", "1,2")}}}", 2));
        _folder.Write(IndexName, index);
        var error = Assert.Throws<InvalidDataException>(() => SafetensorsCheckpoint.Open(_folder.FullPath));
        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Shards_in_sub_folders_open_and_the_total_size_is_not_believed()
    {
        _folder.Write("one.safetensors", File($"{{{Entry("a", "I64", "1", "0,8")}}}", 8));
        _folder.Write("sub/two.safetensors", File($"{{{Entry("b", "I32", "1", "0,4")}}}", 4));
        _folder.Write("model.safetensors", "an index is preferred to this");
        _folder.Write(IndexName, """{"metadata":{"total_size":-7},"weight_map":{"a":"one.safetensors","b":"sub/two.safetensors"}}""");
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.FullPath);
        Assert.Equal(["a", "b"], checkpoint.Names);
        Assert.Equal([0x0706050403020100L], checkpoint.ReadInt64("a"));
        Assert.Equal([0x03020100L], checkpoint.ReadInt64("b"));
    }

    [Fact]
    public void A_folder_without_weights_is_named() =>
        Assert.Contains(
            "holds neither model.safetensors.index.json nor model.safetensors",
            Assert.Throws<InvalidDataException>(() => SafetensorsCheckpoint.Open(_folder.FullPath)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Floats_of_every_width_are_converted_from_any_alignment()
    {
        double[] values =
        [
            0, -0.0, 1, -2.5, 65504, 1.0 / 3, -6.1e-5, double.PositiveInfinity, double.NaN, 1.00390625, 1.01171875, 5.960464477539063e-8,
            3.4e38, -7, 0.1, 1e-3, 2e5, 12345.678, -1e-20, 42, 99, -0.3, 7e-7, 1e10, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        ];
        (string Type, int Bytes, Func<double, byte[]> Store, Func<double, double> Rounded)[] types =
        [
            ("F64", 8, BitConverter.GetBytes, value => value),
            ("F32", 4, value => BitConverter.GetBytes((float)value), value => (float)value),
            ("F16", 2, value => BitConverter.GetBytes((Half)value), value => (double)(Half)value),
            ("BF16", 2, value => BitConverter.GetBytes(Bf16.Round((float)value)), value => Bf16.Widen(Bf16.Round((float)value))),
        ];
        foreach (var (type, bytes, store, rounded) in types)
        {
            // One byte before the tensor makes it misaligned for every type.
            string tensor = Entry("x", type, $"{values.Length}", $"1,{1 + (bytes * values.Length)}");
            string header = $"{{{Entry("pad", "U8", "1", "0,1")},{tensor}}}";
            byte[] file = [.. File(header.PadRight(256), 1), .. values.SelectMany(store)];
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.Write($"{type}.safetensors", file));
            using var singles = new GuardedFloats(values.Length);
            using var halves = new GuardedFloats((values.Length + 1) / 2);
            checkpoint.CopyTo("x", DType.F32, (nint)singles.Pointer, values.Length);
            checkpoint.CopyTo("x", DType.BF16, (nint)halves.Pointer, values.Length);
            singles.AssertGuardsIntact();
            halves.AssertGuardsIntact();
            for (int i = 0; i < values.Length; i++)
            {
                float expected = (float)rounded(values[i]);
                Assert.Equal(expected, singles.Pointer[i]);
                Assert.Equal(float.IsNegative(expected), float.IsNegative(singles.Pointer[i]));
                Assert.Equal(Bf16.Round(expected), ((ushort*)halves.Pointer)[i]);
            }
        }
    }

    [Fact]
    public void Random_bit_patterns_round_to_bf16_as_the_scalar_rule_says()
    {
        const int Count = 1003;
        var random = new CounterRandom(9);
        var bits = new uint[Count];
        for (int i = 0; i < Count; i++)
        {
            // One in four is a tie, one in four has an exponent of all ones.
            bits[i] = random.NextUInt32();
            bits[i] = (i % 4) switch { 0 => (bits[i] & 0xFFFF0000) | 0x8000, 1 => bits[i] | 0x7F800000, _ => bits[i] };
        }

        byte[] file = [.. File($"{{{Entry("x", "F32", $"{Count}", $"0,{4 * Count}")}}}", 0), .. bits.SelectMany(BitConverter.GetBytes)];
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.Write("x.safetensors", file));
        var rounded = new ushort[Count];
        fixed (ushort* destination = rounded)
        {
            checkpoint.CopyTo("x", DType.BF16, (nint)destination, Count);
        }

        Assert.Equal(bits.Select(pattern => Bf16.Round(BitConverter.UInt32BitsToSingle(pattern))), rounded);
    }

    [Fact]
    public void Wrong_shapes_types_and_names_are_refused_by_tensor_expected_and_found()
    {
        string header = $"{{{Entry("w", "F32", "2,3", "0,24")},{Entry("i", "I32", "1", "24,28")}}}";
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.Write("x.safetensors", File(header, 28)));
        float* room = stackalloc float[6];
        nint destination = (nint)room;
        Refused("tensor 'w' has the shape [2, 3], expected [3, 2]", () => checkpoint.CopyTo("w", DType.F32, destination, 3, 2));
        Refused("tensor 'w' has the shape [2, 3], expected [6]", () => checkpoint.CopyTo("w", DType.F32, destination, 6));
        Refused("tensor 'w' has the shape [2, 3], expected []", () => checkpoint.CopyTo("w", DType.F32, destination));
        Refused("tensor 'i' is of type I32, expected F32, BF16, F16 or F64", () => checkpoint.CopyTo("i", DType.F32, destination, 1));
        Refused("tensor 'w' is of type F32, expected I32 or I64", () => checkpoint.ReadInt64("w"));
        Refused("there is no tensor 'v'", () => checkpoint.Address("v"));
        Assert.Throws<ArgumentException>(() => checkpoint.CopyTo("w", DType.I32, destination, 2, 3));
    }

    [Fact]
    public void A_second_name_in_the_metadata_finds_the_stored_tensor_but_never_shadows_one()
    {
        const string Metadata = """{"tied":"a","b":"a","lost":"c"}""";
        string header = $$"""{"__metadata__":{{Metadata}},{{Entry("a", "I32", "1", "0,4")}},{{Entry("b", "I32", "1", "4,8")}}}""";
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.Write("x.safetensors", File(header, 8)));
        Assert.Equal(checkpoint.ReadInt64("a"), checkpoint.ReadInt64("tied"));
        Assert.Equal([0x07060504L], checkpoint.ReadInt64("b"));
        Assert.False(checkpoint.TryGet("lost", out _));
        Assert.Equal(["a", "b"], checkpoint.Names);
    }

    [Fact]
    public void The_parity_reference_has_its_documented_tensors()
    {
        using var fixture = new ParityFixture("llama3");
        using SafetensorsCheckpoint model = fixture.OpenModel();
        using SafetensorsCheckpoint reference = fixture.OpenReference();
        long[] ids = reference.ReadInt64("input_ids");
        Assert.Equal(2 * 48, ids.Length);
        Assert.All(ids, id => Assert.InRange(id, 0, 319));
        Assert.True(reference.TryGet("logits", out SafetensorsTensor? logits));
        Assert.Equal([2L, 48L, 320L], logits.Shape);

        // The documented loss is the mean cross-entropy of the documented logits at the documented ids.
        float[] values = ParityFixture.ReadFloats(reference, "logits");
        double sum = 0;
        for (int row = 0; row < 2; row++)
        {
            for (int t = 0; t < 47; t++)
            {
                var line = values.AsSpan(((row * 48) + t) * 320, 320).ToArray();
                sum += Math.Log(line.Sum(value => Math.Exp(value))) - line[ids[(row * 48) + t + 1]];
            }
        }

        Assert.Equal(sum / 94, ParityFixture.ReadFloats(reference, "loss")[0], 5);
        Assert.All(model.Names, name => Assert.True(reference.TryGet($"grad.{name}", out _), name));
    }

    [Theory]
    [InlineData("tinystories-656k", "model.embed_tokens.weight", 2048, 128)]
    [InlineData("stories260K/hf", "model.embed_tokens.weight", 512, 64)]
    public void Published_small_models_open(string name, string tensor, long rows, long columns)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(SharedData.Require("models", name));
        Assert.True(checkpoint.TryGet(tensor, out SafetensorsTensor? found));
        Assert.Equal([rows, columns], found.Shape);
        float[] values = ParityFixture.ReadFloats(checkpoint, tensor);
        Assert.All(values, value => Assert.True(Math.Abs(value) < 10));
        Assert.InRange(values.Count(value => value != 0), values.Length / 2, values.Length);
    }

    public void Dispose() => _folder.Dispose();

    private static void Refused(string sentence, Action action) =>
        Assert.Contains(sentence, Assert.Throws<InvalidDataException>(action).Message, StringComparison.Ordinal);
}
