using Tessera.Models.Safetensors;
using static Tessera.Models.Tests.Safetensors.SafetensorsBytes;

namespace Tessera.Models.Tests.Safetensors;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Name, file, and a part of the sentence that must be thrown.</summary>
    public static TheoryData<string, byte[], string> BadFiles()
    {
        string tenOnTheSameBytes = string.Join(',', Enumerable.Range(0, 10).Select(i => Entry($"t{i}", "I32", "2,2", "0,16")));
        string twice = Entry("a", "U8", "1", "0,1") + "," + Entry("a", "U8", "1", "1,2");
        string rank17 = string.Join(',', Enumerable.Repeat("1", 17));
        return new TheoryData<string, byte[], string>
        {
            { "empty", [], "has 0 bytes, expected at least 8" },
            { "seven bytes", new byte[7], "has 7 bytes, expected at least 8" },
            { "length 2^63", File("{}", 0, 1UL << 63), "length is 9223372036854775808, expected at most 100000000" },
            { "length above the cap", File("{}", 0, 100_000_001), "length is 100000001, expected at most" },
            { "length above the file", File("{}", 0, 3), "the header ends at byte 11, but the file has 10 bytes" },
            { "no header", File("", 0), "not valid JSON" },
            { "not UTF-8", File([0xFF, 0xFE], 0), "not valid UTF-8" },
            { "byte order mark", File("\uFEFF{}", 0), "not valid JSON" },
            { "list", File("[]", 0), "not a JSON object" },
            { "null", File("null", 0), "not a JSON object" },
            { "cut JSON", File(PublishedHeader[..40], 16), "not valid JSON" },
            { "behind the object", File("{} {}", 0), "not valid JSON" },
            { "half a surrogate pair", File("""{"\ud800":1}""", 0), "not valid Unicode" },
            { "shared offsets", File($"{{{tenOnTheSameBytes}}}", 16), "begins at byte 0 of the data, expected 16" },
            { "overlap", File($"{{{Entry("a", "U8", "4", "0,4")},{Entry("b", "U8", "4", "3,7")}}}", 7), "'b' begins at byte 3" },
            { "gap", File($"{{{Entry("a", "U8", "1", "0,1")},{Entry("b", "U8", "1", "2,3")}}}", 3), "'b' begins at byte 2" },
            { "late start", File($"{{{Entry("a", "U8", "1", "8,9")}}}", 9), "'a' begins at byte 8 of the data, expected 0" },
            { "byte too many", File(PublishedHeader, 17), "take 16 bytes, but 17 bytes follow" },
            { "byte missing", File(PublishedHeader, 15), "take 16 bytes, but 15 bytes follow" },
            { "data without tensors", File("{}", 1), "take 0 bytes, but 1 bytes follow" },
            { "shape overflow", File($"{{{Entry("a", "F32", "1099511627776,1099511627776", "0,16")}}}", 16), "overflows" },
            { "bytes overflow", File($"{{{Entry("a", "F64", "4611686018427387904", "0,16")}}}", 16), "overflows" },
            { "half a byte", File($"{{{Entry("a", "F4", "3", "0,2")}}}", 2), "has 12 bits, expected whole bytes" },
            { "wrong size", File($"{{{Entry("a", "F32", "3", "0,16")}}}", 16), "'a' has 16 bytes, expected 12 for F32 [3]" },
            { "end before begin", File($"{{{Entry("a", "U8", "0", "0,0")},{Entry("b", "U8", "1", "0,-1")}}}", 0), "not a whole number" },
            { "reversed", File($"{{{Entry("a", "U8", "5", "0,5")},{Entry("b", "U8", "1", "5,3")}}}", 5), "ends at byte 3, before" },
            { "number in metadata", File("""{"__metadata__":{"a":1}}""", 0), "__metadata__ has a value of 'a' that is not a string" },
            { "list as metadata", File("""{"__metadata__":[]}""", 0), "__metadata__ is not an object of strings" },
            { "metadata key twice", File("""{"__metadata__":{"a":"","a":""}}""", 0), "__metadata__ has the key 'a' twice" },
            { "name twice", File($"{{{twice}}}", 2), "the name 'a' appears twice" },
            { "unknown type", File($"{{{Entry("a", "F128", "1", "0,16")}}}", 16), "dtype 'F128'" },
            { "lower-case type", File($"{{{Entry("a", "f32", "1", "0,4")}}}", 4), "dtype 'f32'" },
            { "numeric type", File("""{"a":{"dtype":3,"shape":[],"data_offsets":[0,1]}}""", 1), "'a' has the dtype" },
            { "fraction", File($"{{{Entry("a", "U8", "1.0", "0,1")}}}", 1), "shape with a value that is not a whole number" },
            { "exponent", File($"{{{Entry("a", "U8", "1e0", "0,1")}}}", 1), "shape with a value that is not a whole number" },
            { "minus zero", File($"{{{Entry("a", "U8", "-0", "0,0")}}}", 0), "shape with a value that is not a whole number" },
            { "three offsets", File($"{{{Entry("a", "U8", "1", "0,1,2")}}}", 1), "data_offsets of more than 2 values" },
            { "one offset", File($"{{{Entry("a", "U8", "1", "0")}}}", 1), "lacks a dtype, a shape or two data_offsets" },
            { "no shape", File("""{"a":{"dtype":"U8","data_offsets":[0,1]}}""", 1), "lacks a dtype" },
            { "shape twice", File("""{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}""", 1), "has shape twice" },
            { "entry is a list", File("""{"a":[]}""", 0), "'a' is not described by an object" },
            { "rank 17", File($"{{{Entry("a", "U8", rank17, "0,1")}}}", 1), "shape of more than 16 values" },
            { "long name", File($"{{{Entry(new string('n', 1025), "U8", "1", "0,1")}}}", 1), "name has 1025 characters" },
            { "control character", File($"{{{Entry("a\\u001bb", "U8", "1", "0,1")}}}", 1), "'a?b' contains a control character" },
            { "deep nesting", File($"{{\"a\":{{\"x\":{new string('[', 40)}{new string(']', 40)}}}}}", 0), "not valid JSON" },
        };
    }

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void A_bad_file_is_refused_with_one_sentence_that_names_it(string name, byte[] content, string sentence)
    {
        string path = _folder.Write($"{name}.safetensors", content);
        var error = Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void The_published_example_opens()
    {
        Assert.Equal(0x3C, PublishedHeader.Length);
        string path = _folder.Write("a.safetensors", File(PublishedHeader, 16));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SafetensorsTensor tensor = Assert.Single(file.Tensors);
        Assert.Equal(("test", SafetensorsType.I32), (tensor.Name, tensor.Type));
        Assert.Equal((0L, 16L, 4L), (tensor.Offset, tensor.Bytes, tensor.ElementCount));
        Assert.Equal([2L, 2L], tensor.Shape);
        Assert.Equal(0x03020100, ReadInt32(file.Address("test")));
        Assert.Throws<ArgumentException>(() => file.Address("Test"));
    }

    [Fact]
    public void White_space_around_the_header_is_accepted()
    {
        string path = _folder.Write("a.safetensors", File("\t\n{} \r ", 0));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void Scalars_empty_tensors_unknown_keys_and_metadata_are_accepted()
    {
        string header = $$"""
            {"z":{"extra":[{"deep":null}],"dtype":"F32","shape":[],"data_offsets":[1,5]},"__metadata__":{"format":"pt"},
            {{Entry("byte", "BOOL", "1", "0,1")}},{{Entry("none", "F64", "2,0", "1,1")}},{{Entry("nibbles", "F4", "4", "5,7")}}}
            """;
        string path = _folder.Write("a.safetensors", File(header, 7));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(["byte", "none", "z", "nibbles"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.True(file.TryGet("none", out SafetensorsTensor? none));
        Assert.Equal((0L, 0L), (none.Bytes, none.ElementCount));
        Assert.True(file.TryGet("z", out SafetensorsTensor? scalar));
        Assert.Equal(1, scalar.ElementCount);
        Assert.Equal(0x04030201, ReadInt32(file.Address("z")));
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        string path = _folder.File("x");
        var error = Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path));
        Assert.Equal($"{path}: there is no such file", error.Message);
    }

    [Fact]
    public void A_closed_file_gives_no_addresses()
    {
        string path = _folder.Write("a.safetensors", File(PublishedHeader, 16));
        SafetensorsFile file = SafetensorsFile.Open(path);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Address("test"));
    }

    [Fact]
    public unsafe void Tensors_beyond_2_GiB_are_mapped_to_their_last_byte()
    {
        // A sparse file: it takes a few blocks of the disk.
        const long First = 3L << 30;
        string header = $"{{{Entry("big", "U8", $"{First}", $"0,{First}")},{Entry("last", "U8", "1", $"{First},{First + 1}")}}}";
        string path = _folder.Write("a.safetensors", File(header, 0));
        using (var stream = new FileStream(path, FileMode.Open))
        {
            stream.SetLength(stream.Length + First + 1);
            stream.Position = stream.Length - 2;
            stream.Write([7, 9]);
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(7, ((byte*)file.Address("big"))[First - 1]);
        Assert.Equal(9, *(byte*)file.Address("last"));
    }

    [Fact]
    public void Every_type_name_of_the_format_is_known_in_its_order_and_width()
    {
        const string Text = "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ "
            + "I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64";
        string[] names = Text.Split(' ');
        int[] bits = [8, 4, 6, 6, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16, 16, 32, 32, 32, 64, 64, 64, 64];
        Assert.Equal(names, Enum.GetValues<SafetensorsType>().Select(type => type.Label()));
        Assert.Equal(bits, Enum.GetValues<SafetensorsType>().Select(type => type.Bits()));
        Assert.All(names, name => Assert.True(SafetensorsTypes.TryParse(name, out SafetensorsType type) && type.Label() == name));
    }

    public void Dispose() => _folder.Dispose();

    private static unsafe int ReadInt32(nint address) => System.Runtime.CompilerServices.Unsafe.ReadUnaligned<int>((void*)address);
}
