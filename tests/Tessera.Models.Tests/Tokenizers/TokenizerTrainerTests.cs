using System.Text;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

public class TokenizerTrainerTests
{
    private static readonly string[] Corpus =
    [
        "low low low low low lower lower newest newest newest newest newest newest widest widest widest",
        "the model reads the text and the text reads the model 2024 2025 1024", "日本語 日本語 日本 ﷽ naïve café", "<|end|> the end",
        "pairs of letters become tokens and pairs of tokens become longer tokens",
    ];

    private static readonly TokenizerTrainerOptions Options = new()
    {
        VocabularySize = 300,
        SpecialTokens = ["<|start|>", "<|end|>"],
        SplitDigits = true,
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_text_comes_back_with_lone_surrogates_replaced_whole_and_streamed(bool splitDigits)
    {
        Tokenizer tokenizer = Train(Options with { SplitDigits = splitDigits });
        var random = new CounterRandom(17);
        for (int i = 0; i < 300; i++)
        {
            string text = RandomText.Next(ref random, random.Next(1, 40), loneSurrogates: i % 3 == 0);
            string expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            foreach (bool parseSpecial in (bool[])[true, false])
            {
                int[] ids = tokenizer.Encode(text, addSpecialTokens: false, parseSpecial);
                Assert.Equal(expected, tokenizer.Decode(ids, skipSpecialTokens: false));
                Assert.Equal(expected, PublishedVectorTests.Stream(tokenizer, ids));
                Assert.True(parseSpecial || !ids.Any(tokenizer.IsSpecial));
            }
        }
    }

    [Fact]
    public void A_stream_of_any_ids_gives_the_text_of_the_whole_and_never_half_a_character()
    {
        Tokenizer tokenizer = Train(Options);
        var random = new CounterRandom(23);
        for (int i = 0; i < 300; i++)
        {
            // Mostly single bytes, so that most sequences are broken UTF-8; some ids are out of the vocabulary.
            int[] ids = [.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(-2, i % 2 == 0 ? 255 : 305))];
            string whole = tokenizer.Decode(ids, skipSpecialTokens: i % 3 == 0);
            Assert.Equal(whole, PublishedVectorTests.Stream(tokenizer, ids, skipSpecialTokens: i % 3 == 0));
            var decoder = new StreamingDecoder(tokenizer, skipSpecialTokens: true);
            Assert.All(ids, id => Assert.True(IsWhole(decoder.Append(id))));
            byte[] bytes = [.. ids.Where(id => id is >= 0 and < 256).Select(id => (byte)id)];
            if (bytes.Length == ids.Length)
            {
                Assert.Equal(Encoding.UTF8.GetString(bytes), whole);
            }
        }
    }

    [Fact]
    public void Merges_are_those_of_counting_all_pairs_anew_each_time()
    {
        Tokenizer tokenizer = Train(Options with { SplitDigits = false, MinimumPairCount = 1, VocabularySize = 290 });
        List<List<int>> words = Words();
        var texts = Enumerable.Range(0, 256).Select(value => new List<byte> { (byte)value }).ToList();
        while (texts.Count < 288)
        {
            var counts = new Dictionary<(int Left, int Right), int>();
            foreach (List<int> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    counts[(word[i], word[i + 1])] = counts.GetValueOrDefault((word[i], word[i + 1])) + 1;
                }
            }

            (int left, int right) = counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).First().Key;
            texts.Add([.. texts[left], .. texts[right]]);
            foreach (List<int> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] == left && word[i + 1] == right)
                    {
                        word[i] = texts.Count - 1;
                        word.RemoveAt(i + 1);
                    }
                }
            }

            string expected = Encoding.Latin1.GetString([.. texts[^1]]);
            string actual = Encoding.Latin1.GetString([.. tokenizer.TokenText(texts.Count - 1)!.Select(ByteOf)]);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void The_order_of_the_texts_does_not_change_the_file()
    {
        using var folder = new ScratchFolder();
        string first = Path.Combine(folder.Path, "first.json"), second = Path.Combine(folder.Path, "second.json");
        TokenizerTrainer.Train(Corpus, first, Options);
        TokenizerTrainer.Train(Corpus.Reverse(), second, Options);
        Assert.Equal(File.ReadAllText(first), File.ReadAllText(second));
    }

    [Fact]
    public void The_file_has_the_fields_that_other_loaders_ask_for()
    {
        using var folder = new ScratchFolder();
        int size = TokenizerTrainer.Train(Corpus, folder.Path, Options);
        Assert.Equal(300, size);
        Assert.Equal(["tokenizer.json"], Directory.EnumerateFiles(folder.Path).Select(Path.GetFileName));
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder.Path, "tokenizer.json")));
        JsonElement root = document.RootElement, model = root.GetProperty("model");
        Assert.Equal("1.0", root.GetProperty("version").GetString());
        JsonElement split = root.GetProperty("pre_tokenizer").GetProperty("pretokenizers")[0];
        Assert.Equal(@"\p{N}", split.GetProperty("pattern").GetProperty("Regex").GetString());
        Assert.Equal("Isolated", split.GetProperty("behavior").GetString());
        Assert.Equal(Enumerable.Range(0, 298), model.GetProperty("vocab").EnumerateObject().Select(entry => entry.Value.GetInt32()));
        Assert.Equal([298, 299], root.GetProperty("added_tokens").EnumerateArray().Select(token => token.GetProperty("id").GetInt32()));
        Assert.Equal(42, model.GetProperty("merges").GetArrayLength());
    }

    [Fact]
    public void Digits_stay_apart_and_special_text_is_not_learnt()
    {
        Tokenizer tokenizer = Train(Options);
        Assert.Equal(4, tokenizer.Encode("2024", addSpecialTokens: false).Length);
        Assert.Equal(299, Assert.Single(tokenizer.Encode("<|end|>", addSpecialTokens: false)));
        Assert.Equal("", tokenizer.Decode([298, 299], skipSpecialTokens: true));
        Assert.Equal((300, 2), (tokenizer.VocabularySize, tokenizer.SpecialIds.Count));
        Assert.DoesNotContain(Enumerable.Range(0, 298).Select(tokenizer.TokenText), text => text!.Contains("<|", StringComparison.Ordinal));
        Assert.True(Train(Options with { SplitDigits = false }).Encode(" 2024", addSpecialTokens: false).Length < 5);
    }

    [Fact]
    public void Too_little_text_gives_a_smaller_vocabulary()
    {
        using var folder = new ScratchFolder();
        Assert.Equal(258, TokenizerTrainer.Train(["ab ab"], folder.Path, new TokenizerTrainerOptions { VocabularySize = 1000, SpecialTokens = ["<s>"] }));
        Assert.Equal("ab", Tokenizer.Load(folder.Path).TokenText(256));
    }

    [Theory]
    [InlineData(257, "<a>", "<b>")]
    [InlineData(300, "")]
    [InlineData(300, "x")]
    [InlineData(300, "<a>", "<a>")]
    public void Impossible_settings_are_refused(int size, params string[] special)
    {
        using var folder = new ScratchFolder();
        var options = new TokenizerTrainerOptions { VocabularySize = size, SpecialTokens = special };
        Assert.Throws<ArgumentException>(() => TokenizerTrainer.Train(Corpus, folder.Path, options));
        Assert.Empty(Directory.EnumerateFiles(folder.Path));
    }

    [Fact]
    public void A_training_that_fails_leaves_the_earlier_file_alone()
    {
        using var folder = new ScratchFolder();
        string path = folder.Write("tokenizer.json", "earlier");
        Assert.Throws<IOException>(() => TokenizerTrainer.Train(Failing(), path, Options));
        Assert.Equal("earlier", File.ReadAllText(path));
        Assert.Single(Directory.EnumerateFiles(folder.Path));
    }

    private static IEnumerable<string> Failing()
    {
        yield return "some text";
        throw new IOException("the source is gone");
    }

    private static Tokenizer Train(TokenizerTrainerOptions options)
    {
        using var folder = new ScratchFolder();
        TokenizerTrainer.Train(Corpus, folder.Path, options);
        return Tokenizer.Load(folder.Path);
    }

    // The corpus has neither contractions nor runs of spaces nor astral letters: .NET's engine reads GPT-2's pattern well here.
    private static List<List<int>> Words() =>
    [
        .. Corpus.SelectMany(text => text.Split("<|end|>"))
            .SelectMany(text => System.Text.RegularExpressions.Regex.Matches(text, @" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"))
            .Select(match => Encoding.UTF8.GetBytes(match.Value).Select(value => (int)value).ToList()),
    ];

    private static byte ByteOf(char character)
    {
        int[] moved = [.. Enumerable.Range(0, 33), .. Enumerable.Range(127, 34), 173];
        return (byte)(character >= 0x100 ? moved[character - 0x100] : character);
    }

    private static bool IsWhole(string text) => text.EnumerateRunes().Sum(rune => rune.Utf16SequenceLength) == text.Length
        && !text.Where((c, i) => char.IsHighSurrogate(c) && (i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1]))).Any();
}
