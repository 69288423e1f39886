using System.IO.Compression;
using System.Text;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Broken vocabularies of all kinds but tokenizer.json: one sentence that names file and field.</summary>
public class DamagedVocabularyTests
{
    private static readonly SentencePieceBytes Sound = new();

    public static TheoryData<string, string> Pieces { get; } = new()
    {
        { "unigram", "trainer_spec.model_type is 1 (unigram)" },
        { "twice", "pieces[266] repeats the piece 'ab'" },
        { "nan", "pieces[266] has a score" },
        { "type", "pieces[266] has the type 9" },
        { "byte", "pieces[266] 'zz' is of the type of bytes" },
        { "bytes missing", "pieces has 255 pieces of bytes" },
        { "no unknown", "pieces has no unknown piece" },
        { "unknown twice", "pieces[266] is a second unknown piece beside 0" },
        { "bos", "trainer_spec.bos_id is 4000" },
        { "orphan", "pieces[266] 'aq' has a character that is no piece" },
        { "unused", "pieces[266] 'bc' is unused" },
        { "map", "normalizer_spec.precompiled_charsmap has 3 bytes" },
        { "cut", "ends within" },
        { "empty", "pieces is empty" },
        { "text", "has a field 'piece' that is not UTF-8" },
        { "denormalizer", "denormalizer_spec has a character map" },
    };

    [Theory]
    [MemberData(nameof(Pieces))]
    public void A_bad_SentencePiece_model_is_refused_by_file_and_field(string kind, string problem)
    {
        static SentencePieceBytes With(string text, float score = -9, SentencePieceType type = SentencePieceType.Normal) =>
            Sound with { Pieces = [.. Sound.Pieces, new SentencePiece(text, score, type)] };
        byte[] bytes = kind switch
        {
            "unigram" => (Sound with { ModelType = 1 }).ToBytes(),
            "twice" => With("ab").ToBytes(),
            "nan" => With("cc", float.NaN).ToBytes(),
            "type" => With("cc", 0, (SentencePieceType)9).ToBytes(),
            "byte" => With("zz", 0, SentencePieceType.Byte).ToBytes(),
            "bytes missing" => (Sound with { Pieces = [.. Sound.Pieces.Where(piece => piece.Text != "<0x41>")] }).ToBytes(),
            "no unknown" => (Sound with { ByteFallback = false, BeginId = -1, Pieces = [.. Sound.Pieces.Skip(259)] }).ToBytes(),
            "unknown twice" => With("<u>", 0, SentencePieceType.Unknown).ToBytes(),
            "bos" => (Sound with { BeginId = 4000 }).ToBytes(),
            "orphan" => With("aq").ToBytes(),
            "unused" => With("bc", 0, SentencePieceType.Unused).ToBytes(),
            "map" => (Sound with { CharacterMap = [1, 2, 3] }).ToBytes(),
            "cut" => Sound.ToBytes()[..^1],
            "empty" => (Sound with { Pieces = [] }).ToBytes(),
            "text" => (Sound with { More = [0x0A, 3, 0x0A, 1, 0xFF] }).ToBytes(),
            _ => (Sound with { More = [0x2A, 3, 0x12, 1, 0x41] }).ToBytes(),
        };
        AssertRefused("tokenizer.model", bytes, problem is "ends within" ? "normalizer_spec" : problem);
    }

    [Theory]
    [InlineData("IQ== 0\nIQ== 1\n", "the document has 2 ranks; only Llama 3's file of 128000")]
    [InlineData("IQ== 0\nIg== 2\n", "line 2 does not have the rank 1")]
    [InlineData("IQ== 0\n!!!! 1\n", "line 2 is not base64")]
    [InlineData("IQ== 0\n\nIg== 1\n", "line 2 is not base64")]
    [InlineData("IQ== 0\nIg==\n", "line 2 is not base64")]
    public void Bad_ranks_are_refused_by_file_and_line(string content, string problem) =>
        AssertRefused("tokenizer.model", Encoding.ASCII.GetBytes(content), problem);

    [Fact]
    public void Bad_scored_tokens_are_refused_by_file_and_entry()
    {
        byte[] one = [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(1), (byte)'a'];
        AssertRefused("tokenizer.bin", [], "max_token_length is -1");
        AssertRefused("tokenizer.bin", [0, 0, 0, 0x7F], "max_token_length is 2130706432");
        AssertRefused("tokenizer.bin", [4, 0, 0, 0, .. one], "tokens has 1 entries");
        AssertRefused("tokenizer.bin", [4, 0, 0, 0, .. one, 0, 0, 0, 0, 9, 0, 0, 0, 1], "tokens[1] has a length of 9");
        AssertRefused("tokenizer.bin", [4, 0, 0, 0, .. one[..^1], 0xFF], "tokens[0] is not UTF-8");
    }

    [Theory]
    [InlineData("""{"a": 0, "b": 1, "ab": 2}""", "a b\nb c\n", "merges.txt: lines[1] needs the token 'c'")]
    [InlineData("""{"a": 0, "b": 1, "ab": 2}""", "a b c\n", "merges.txt: lines[0] is 'a b c'")]
    [InlineData("""{"a": 0, "b": 0}""", "", "vocab.json: the document gives the id 0")]
    [InlineData("""["a"]""", "", "vocab.json: the document is not an object")]
    [InlineData("""{"a": 0""", "", "vocab.json: the document is not valid JSON")]
    public void Bad_pairs_of_files_are_refused_by_file_and_field(string vocabulary, string merges, string problem)
    {
        using var folder = new ScratchFolder();
        folder.Write("vocab.json", vocabulary);
        folder.Write("merges.txt", merges);
        Assert.Contains(problem, Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_class_of_tokenizer_is_not_read_as_Gpt2s()
    {
        using var folder = new ScratchFolder();
        folder.Write("vocab.json", """{"a": 0}""");
        Assert.Null(Tokenizer.Find(folder.Path));
        folder.Write("merges.txt", "#version: 0.2\n");
        Assert.Equal([0], Tokenizer.Load(folder.Path).Encode("a", addSpecialTokens: false));
        folder.Write("tokenizer_config.json", """{"tokenizer_class": "Qwen2Tokenizer"}""");
        string message = Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder.Path)).Message;
        Assert.Contains("tokenizer_config.json: tokenizer_class is 'Qwen2Tokenizer'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gzip_is_unpacked_and_damage_to_it_is_told()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(Encoding.UTF8.GetBytes(new TokenizerJson().ToString()));
        }

        using var folder = new ScratchFolder();
        folder.Write("tokenizer.json.gz", packed.ToArray());
        Assert.Equal([2], Tokenizer.Load(folder.Path).Encode("ab", addSpecialTokens: false));
        byte[] damaged = packed.ToArray();
        damaged[20] ^= 0xFF;
        AssertRefused("tokenizer.json.gz", damaged, "tokenizer.json.gz: the document");
    }

    private static void AssertRefused(string name, byte[] content, string problem)
    {
        using var folder = new ScratchFolder();
        string path = folder.Write(name, content);
        string message = Assert.Throws<InvalidDataException>(() => Tokenizer.Load(path)).Message;
        Assert.StartsWith(path + ": ", message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Single(message.Split('\n'));
    }
}
