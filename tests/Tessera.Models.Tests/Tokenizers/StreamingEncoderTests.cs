using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Tokenizers;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Texts encoded in parts give the ids of the whole, and need memory for a part alone.</summary>
public class StreamingEncoderTests
{
    private static readonly string[] Words =
    [
        "the", "Model", " ", "  ", "\n", "\n\n", " \n ", "\t", "\r\n", "'re", "12", "3456", "é", "e\u0301", "日本", "한국", "ﬁ", "🚀", "𝒜𝒷", "𝟙",
        "<s>", "<|end|>", "...", "\"", "\u3000", "\u00A0", "▁", "x ", " y", "!\n", "a\n", "\u1112", "\u1161", "\u11AB", "\uD800",
    ];

    public static TheoryData<string> Own { get; } =
        ["llama", "qwen", "gpt2", "deepseek", "digits", "prefix", "metaspace", "metaspace-first", "prepend", "nfc-merges", "pieces", "llama-json"];

    [Theory]
    [MemberData(nameof(Own))]
    public void Parts_give_the_ids_of_the_whole(string kind)
    {
        Tokenizer tokenizer = Create(kind);
        Assert.True(new StreamingEncoder(tokenizer, addSpecialTokens: false).IsBounded);
        AssertSame(tokenizer, seed: 5, rounds: 300, words: 40);
    }

    [Theory]
    [InlineData("llama3_1")]
    [InlineData("qwen3")]
    [InlineData("deepseek_v3")]
    [InlineData("gpt2")]
    [InlineData("mistral_v1")]
    [InlineData("tinystories-656k")]
    [InlineData("tokenizers/llama2/tokenizer.model")]
    [InlineData("tokenizers/llama2/tokenizer.bin")]
    [InlineData("tokenizers/llama3/tokenizer.model")]
    public void Published_tokenizers_encode_parts_as_the_whole(string name)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(name);
        Assert.True(new StreamingEncoder(tokenizer, addSpecialTokens: false).IsBounded);
        AssertSame(tokenizer, seed: 6, rounds: 150, words: 60);
        AssertSame(tokenizer, Prose(200_000), 4096, 10_000);
    }

    [Theory]
    [InlineData("""{"content": "x", "single_word": true}""")]
    [InlineData("""{"content": "|", "rstrip": true}""")]
    [InlineData("""{"content": "a b"}""")]
    [InlineData("""{"content": "tok"}""")]
    public void Tokens_that_look_across_words_forbid_cuts_and_the_text_is_kept(string token)
    {
        Tokenizer tokenizer = new TokenizerJson
        {
            Model = TokenizerJson.Characters("abtokx |"),
            AddedTokens = $"[{token[..^1]}, \"id\": 8}}]",
        }.Load();
        Assert.False(new StreamingEncoder(tokenizer, addSpecialTokens: false).IsBounded);
        AssertSame(tokenizer, "a b x x tok tok| a", 2, 3);
    }

    [Fact]
    public void Many_texts_on_several_threads_keep_their_order()
    {
        Tokenizer tokenizer = Create("llama");
        var random = new CounterRandom(8, 1);
        string[] texts = new string[500];
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = RandomText.Next(ref random, i % 37);
        }

        int[][] together = tokenizer.EncodeAll(texts, addSpecialTokens: true, threads: 4);
        Assert.Equal(texts.Select(text => tokenizer.Encode(text, addSpecialTokens: true)), together);
    }

    // What a large text costs beyond its parts: nothing waits, and what is allocated is a small multiple of the text that dies young.
    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("llama3_1")]
    [InlineData("tokenizers/llama2/tokenizer.model")]
    public void A_long_text_is_encoded_in_bounded_memory(string name)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(name);
        string part = Prose(1 << 20);
        var encoder = new StreamingEncoder(tokenizer, addSpecialTokens: false);
        var ids = new List<int>();
        long tokens = 0, most = 0, before = GC.GetTotalMemory(forceFullCollection: true);
        for (int round = 0; round < 100; round++)
        {
            encoder.Append(part, ids);
            tokens += ids.Count;
            ids.Clear();
            Assert.InRange(encoder.Waiting, 0, 1 << 17);
            most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: round % 20 == 0));
        }

        encoder.Finish(ids);
        Assert.InRange(tokens, 100 * (1 << 20) / 8, 100 * (1 << 20));
        Assert.InRange(most - before, long.MinValue, 300 << 20);
    }

    // Runs without a space, of one character, of emoji and digits: the time of 400,000 characters is held against that of 50,000. A quadratic
    // method would take 64 times as long.
    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("llama3_1")]
    [InlineData("qwen3")]
    [InlineData("gpt2")]
    [InlineData("mistral_v1")]
    [InlineData("tokenizers/llama2/tokenizer.model")]
    public void Hard_texts_take_time_in_proportion_to_their_length(string name)
    {
        Tokenizer tokenizer = PublishedTokenizers.Get(name);
        foreach (string unit in (string[])["a", "abcxyz", "🚀🦙", "1234567890", " ", "\n", "'", "e\u0301", "\u0301", "ab'", "▁", "<", "\u3000\u00A0"])
        {
            string text = string.Concat(Enumerable.Repeat(unit, 400_000 / unit.Length));
            double small = Seconds(() => tokenizer.Encode(text[..50_000], addSpecialTokens: false));
            double large = Seconds(() => tokenizer.Encode(text, addSpecialTokens: false));
            Assert.True(large < (24 * small) + 0.2, $"{name}, '{unit}': {small:F4} s for 50,000 characters, {large:F4} s for 400,000");
        }
    }

    private static double Seconds(Action action)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    private static void AssertSame(Tokenizer tokenizer, ulong seed, int rounds, int words)
    {
        var random = new CounterRandom(seed, 9);
        for (int round = 0; round < rounds; round++)
        {
            var text = new StringBuilder();
            for (int i = 0; i < words; i++)
            {
                text.Append(Words[random.Next(Words.Length)]);
            }

            AssertSame(tokenizer, text.ToString(), 1 + random.Next(20), 1 + random.Next(30));
        }
    }

    private static void AssertSame(Tokenizer tokenizer, string text, int partLength, int step)
    {
        var encoder = new StreamingEncoder(tokenizer, addSpecialTokens: true, parseSpecial: true) { PartLength = partLength };
        var ids = new List<int>();
        for (int start = 0; start < text.Length; start += step)
        {
            encoder.Append(text.AsSpan(start, Math.Min(step, text.Length - start)), ids);
        }

        encoder.Finish(ids);
        int[] whole = tokenizer.Encode(text, addSpecialTokens: true, parseSpecial: true);
        Assert.True(whole.AsSpan().SequenceEqual(ids.ToArray()), $"{JsonSerializer.Serialize(text[..Math.Min(text.Length, 500)])}\n{string.Join(',', whole)}\n{string.Join(',', ids)}");
    }

    private static string Prose(int length)
    {
        using var stream = new StreamReader(new GZipStream(File.OpenRead(SharedData.Require("prose", "war_and_peace.txt.gz")), CompressionMode.Decompress));
        char[] text = new char[length];
        return new string(text, 0, stream.ReadBlock(text, 0, length));
    }

    private static Tokenizer Create(string kind)
    {
        const string Bytes = """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}""";
        const string Fallback = ", \"unk_token\": \"?\", \"fuse_unk\": true";
        switch (kind)
        {
            case "llama" or "qwen" or "gpt2" or "deepseek":
                var pattern = kind switch { "llama" => SplitPattern.Llama3, "qwen" => SplitPattern.Qwen2, "gpt2" => SplitPattern.Gpt2, _ => SplitPattern.DeepSeekV3 };
                string[] joined = ["th", "the", "Ġthe", "Ċ", "ĠĠ", "ĊĊ", "Ġx", "12", "<|end|>"];
                string[] tokens = [.. Enumerable.Range(0, 256).Select(value => ByteCharacter(value)), .. joined.Where(token => token.Length > 1)];
                return Tokenizer.FromByteLevel("here", tokens, ["t h", "th e", "Ġ the", "Ġ Ġ", "Ċ Ċ", "Ġ x", "1 2"], new ByteLevelOptions
                {
                    Pattern = pattern,
                    NormalizesToFormC = pattern == SplitPattern.Qwen2,
                    AddedTokens = new Dictionary<int, bool> { [tokens.Length - 1] = true },
                    Prefix = [1],
                    Suffix = [2],
                });
            case "digits":
                return Json($$"""{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {{Bytes}}]}""", "null", ByteModel);
            case "prefix":
                return Json("""{"type": "ByteLevel", "add_prefix_space": true}""", "null", ByteModel);
            case "metaspace":
                return Json("""{"type": "Metaspace", "replacement": "▁"}""", "null", TokenizerJson.Characters("?thexyab12▁", Fallback));
            case "metaspace-first":
                return Json("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}""", "null", TokenizerJson.Characters("?thexyab12▁", Fallback));
            case "prepend":
                const string Normalizer = """{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}""";
                return Json("null", Normalizer, Merging(Fallback));
            case "nfc-merges":
                return Json("null", """{"type": "NFC"}""", Merging(Fallback));
            case "llama-json":
                return Json("null", """{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}""", Merging(""));
            default:
                return new SentencePieceBytes().Load();
        }
    }

    // The alphabet of byte-level vocabularies.
    private static string ByteCharacter(int value)
    {
        List<int> moved = [.. Enumerable.Range(0, 33), .. Enumerable.Range(127, 34), 173];
        return ((char)(moved.Contains(value) ? 0x100 + moved.IndexOf(value) : value)).ToString();
    }

    private static string ByteModel => JsonSerializer.Serialize(new
    {
        type = "BPE",
        vocab = Enumerable.Range(0, 256).Select(value => ByteCharacter(value)).Concat(["th", "the", "Ġthe"])
            .Select((token, id) => (token, id)).ToDictionary(pair => pair.token, pair => pair.id),
        merges = (string[])["t h", "th e", "Ġ the"],
    });

    private static string Merging(string more) => $$"""
        {"type": "BPE", "vocab": {"?": 0, "▁": 1, "t": 2, "h": 3, "e": 4, "x": 5, "y": 6, "th": 7, "the": 8, "▁the": 9, "▁x": 10, "a": 11, " ": 12, "\n": 13, "한": 14},
         "merges": ["t h", "th e", "▁ the", "▁ x"]{{more}}}
        """;

    private static Tokenizer Json(string preTokenizer, string normalizer, string model) => new TokenizerJson
    {
        PreTokenizer = preTokenizer,
        Normalizer = normalizer,
        Model = model,
        AddedTokens = "[" + TokenizerJson.Added(300, "<s>", ", \"special\": true") + "]",
    }.Load();
}
