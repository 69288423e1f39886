using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

public class EncodingTests
{
    private const string Marks = """{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}""";
    private const string MarksBack = """
        {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
         {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
        """;

    // Merges in an order in which ranks matter: of a text, always the lowest rank merges, the leftmost first.
    private static readonly (string Left, string Right)[] Merges =
        [("a", "a"), ("b", "a"), ("aa", "aa"), ("a", "b"), ("ab", "ab"), ("ba", "aa"), ("c", "ab"), ("aa", "b"), ("aaaa", "ba")];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Merging_equals_a_search_of_the_whole_piece_for_every_merge(bool pairs)
    {
        string[] tokens = [.. new[] { "a", "b", "c" }.Concat(Merges.Select(merge => merge.Left + merge.Right)).Distinct()];
        var ids = tokens.Select((text, id) => (text, id)).ToDictionary(entry => entry.text, entry => entry.id);
        object[] merges = [.. Merges.Select(merge => pairs ? (object)new[] { merge.Left, merge.Right } : $"{merge.Left} {merge.Right}")];
        Tokenizer tokenizer = new TokenizerJson { Model = JsonSerializer.Serialize(new { type = "BPE", vocab = ids, merges }) }.Load();
        var random = new CounterRandom(5);
        foreach (int length in (int[])[1, 2, 3, 5, 20, 47, 48, 49, 50, 120])
        {
            for (int repeat = 0; repeat < 8; repeat++)
            {
                string text = string.Concat(Enumerable.Range(0, length).Select(_ => "aaabc"[random.Next(5)]));
                int[] expected = [.. SearchAndMerge(text).Select(token => ids[token])];
                Assert.Equal(expected, tokenizer.Encode(text, addSpecialTokens: false));
                Assert.Equal(expected, tokenizer.Encode(text, addSpecialTokens: false));
            }
        }
    }

    [Fact]
    public void A_long_piece_takes_no_quadratic_time()
    {
        Tokenizer tokenizer = new TokenizerJson().Load();
        string text = string.Concat(Enumerable.Repeat("ab", 200_000));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(200_000, tokenizer.Encode(text, addSpecialTokens: false).Length);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"{watch.Elapsed}");
    }

    [Fact]
    public void Whole_pieces_win_over_merges_only_on_request()
    {
        const string Model = """{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3}, "merges": ["a b"]""";
        Assert.Equal([2, 0], new TokenizerJson { Model = Model + "}" }.Load().Encode("aba", addSpecialTokens: false));
        Tokenizer tokenizer = new TokenizerJson { Model = Model + """, "ignore_merges": true}""" }.Load();
        Assert.Equal([3], tokenizer.Encode("aba", addSpecialTokens: false));
        Assert.Equal([3], tokenizer.Encode("aba", addSpecialTokens: false));
        Assert.Equal([2, 2], tokenizer.Encode("abab", addSpecialTokens: false));
    }

    [Theory]
    [InlineData("", new int[0])]
    [InlineData(""", "unk_token": "?" """, new[] { 1, 1 })]
    [InlineData(""", "unk_token": "?", "fuse_unk": true""", new[] { 1 })]
    public void Unknown_characters_are_dropped_or_marked_or_fused(string more, int[] unknown)
    {
        Tokenizer tokenizer = new TokenizerJson { Model = TokenizerJson.Characters("a?", more) }.Load();
        Assert.Equal([0, .. unknown, 0], tokenizer.Encode("aé🚀a", addSpecialTokens: false));
    }

    [Fact]
    public void Unknown_characters_become_byte_tokens_and_come_back()
    {
        var ids = Enumerable.Range(0, 256).ToDictionary(value => $"<0x{value:X2}>", value => value);
        ids["▁"] = 256;
        ids["a"] = 257;
        Tokenizer tokenizer = new TokenizerJson
        {
            Normalizer = Marks,
            Decoder = MarksBack,
            Model = JsonSerializer.Serialize(new { type = "BPE", byte_fallback = true, vocab = ids, merges = Array.Empty<string>() }),
        }.Load();
        Assert.Equal([256, 257, 256, 0xF0, 0x9F, 0x9A, 0x80], tokenizer.Encode("a 🚀", addSpecialTokens: false));
        Assert.Equal("a 🚀", tokenizer.Decode([256, 257, 256, 0xF0, 0x9F, 0x9A, 0x80], skipSpecialTokens: false));
        Assert.Equal("a\uFFFD\uFFFDa", tokenizer.Decode([257, 0x41, 0xC3, 257], skipSpecialTokens: false));
        var decoder = new StreamingDecoder(tokenizer, skipSpecialTokens: false);
        string[] streamed = [.. ((int[])[256, 0xC3, 0xA9, 0x41, 257, 256, 0xC3]).Select(decoder.Append), decoder.Flush()];
        Assert.Equal(["", "", "", "", "éAa", " ", "", "\uFFFD"], streamed);
        var random = new CounterRandom(3);
        for (int i = 0; i < 200; i++)
        {
            string text = RandomText.Next(ref random, 20);
            int[] encoded = tokenizer.Encode(text, addSpecialTokens: false);
            Assert.Equal(text, tokenizer.Decode(encoded, skipSpecialTokens: false));
            Assert.Equal(text, PublishedVectorTests.Stream(tokenizer, encoded));
        }
    }

    [Theory]
    [InlineData("""{"type": "Metaspace", "replacement": "▁"}""", "▁a▁▁b|▁<s>▁a")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}""", "▁a▁▁b|<s>▁a")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "add_prefix_space": false}""", "a▁▁b|<s>▁a")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}""", "a▁▁b|<s>▁a")]
    public void Metaspace_marks_spaces_and_the_beginning(string preTokenizer, string expected)
    {
        // Text between tokens: "a  b" and, behind the token, " a"; an "always" mark is not doubled.
        Tokenizer tokenizer = new TokenizerJson
        {
            PreTokenizer = preTokenizer,
            Model = TokenizerJson.Characters("ab▁|"),
            AddedTokens = $"[{TokenizerJson.Added(4, "<s>")}]",
        }.Load();
        string Show(string text) => string.Concat(tokenizer.Encode(text, addSpecialTokens: false).Select(tokenizer.TokenText));
        string[] sides = expected.Split('|');
        Assert.Equal(sides[0], Show("a  b"));
        Assert.Equal(sides[1].Replace("▁<s>", "<s>", StringComparison.Ordinal), Show("<s> a"));
        Assert.Equal(preTokenizer.Contains("prepend", StringComparison.Ordinal) || preTokenizer.Contains("false", StringComparison.Ordinal)
            ? "<s>b" : "<s>▁b", Show("<s>b"));
    }

    [Theory]
    [InlineData("", "ab x ab", "ab| x |ab")]
    [InlineData(""", "lstrip": true""", "x ab ab", "x|ab|ab")]
    [InlineData(""", "rstrip": true""", "ab \t x", "ab|x")]
    [InlineData(""", "single_word": true""", "abx ab éab ab_ ab.", "abx |ab| éab ab_ |ab|.")]
    public void Added_tokens_take_what_their_flags_say(string flags, string text, string sections)
    {
        Tokenizer tokenizer = new TokenizerJson
        {
            Model = TokenizerJson.Characters("abxé_. \t"),
            AddedTokens = $"[{TokenizerJson.Added(8, "ab", flags)}]",
        }.Load();
        IEnumerable<string> found = tokenizer.Encode(text, addSpecialTokens: false).Select(id => id == 8 ? "|ab|" : tokenizer.TokenText(id)!);
        Assert.Equal(sections, string.Concat(found).Replace("||", "|", StringComparison.Ordinal).Trim('|'));
    }

    [Fact]
    public void The_longest_added_token_wins_and_its_id_is_the_vocabularys_or_the_next()
    {
        string added = $"[{TokenizerJson.Added(0, "<a>")}, {TokenizerJson.Added(77, "<a>b")}, {TokenizerJson.Added(5, "b")}]";
        Tokenizer tokenizer = new TokenizerJson { Model = TokenizerJson.Characters("ab<>"), AddedTokens = added }.Load();
        Assert.Equal([5, 4, 0, 1], tokenizer.Encode("<a>b<a>ab", addSpecialTokens: false));
        Assert.Equal((4, 5, 1), (tokenizer.TokenId("<a>"), tokenizer.TokenId("<a>b"), tokenizer.TokenId("b")));
        Assert.Equal(("<a>b", null, null), (tokenizer.TokenText(5), tokenizer.TokenText(6), tokenizer.TokenId("c")));
        Assert.Equal(6, tokenizer.VocabularySize);
    }

    [Fact]
    public void Special_text_is_ordinary_text_where_it_is_not_parsed_but_other_added_tokens_are_found()
    {
        string added = $"[{TokenizerJson.Added(4, "<a>", ", \"special\": true")}, {TokenizerJson.Added(5, "<b>")}]";
        Tokenizer tokenizer = new TokenizerJson { Model = TokenizerJson.Characters("ab<>"), AddedTokens = added }.Load();
        Assert.Equal([4, 5], tokenizer.Encode("<a><b>", addSpecialTokens: false));
        Assert.Equal([2, 0, 3, 5], tokenizer.Encode("<a><b>", addSpecialTokens: false, parseSpecial: false));
        Assert.Equal("<b>", tokenizer.Decode([4, 5], skipSpecialTokens: true));
    }

    [Fact]
    public void Templates_add_their_tokens_on_request_the_later_outside()
    {
        string Template(string before, string after) => $$$"""
            {"type": "TemplateProcessing", "special_tokens": {"a": {"ids": [0]}, "b": {"ids": [1, 1]}},
             "single": [{"SpecialToken": {"id": "{{{before}}}"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "{{{after}}}"}}]}
            """;
        Tokenizer tokenizer = new TokenizerJson
        {
            PostProcessor = $$"""{"type": "Sequence", "processors": [{"type": "ByteLevel"}, {{Template("a", "b")}}, {{Template("b", "a")}}]}""",
        }.Load();
        Assert.Equal([1, 1, 0, 2, 1, 1, 0], tokenizer.Encode("ab", addSpecialTokens: true));
        Assert.Equal([2], tokenizer.Encode("ab", addSpecialTokens: false));
    }

    [Theory]
    [InlineData("""{"type": "Digits", "individual_digits": true}""", new[] { 0, 0, 1, 0 })]
    [InlineData("""{"type": "Digits", "individual_digits": false}""", new[] { 2, 1, 0 })]
    [InlineData("""{"type": "Split", "pattern": {"String": "x"}, "behavior": "MergedWithPrevious"}""", new[] { 3, 0 })]
    [InlineData("""{"type": "Split", "pattern": {"Regex": "x"}, "behavior": "MergedWithNext"}""", new[] { 2, 4 })]
    [InlineData("""{"type": "Split", "pattern": {"String": "x"}, "behavior": "Isolated"}""", new[] { 2, 1, 0 })]
    public void Splitting_keeps_merges_within_pieces(string preTokenizer, int[] expected)
    {
        const string Model = """
            {"type": "BPE", "vocab": {"1": 0, "x": 1, "11": 2, "11x": 3, "x1": 4, "11x1": 5}, "merges": ["1 1", "11 x", "x 1", "11x 1"]}
            """;
        Assert.Equal([5], new TokenizerJson { Model = Model }.Load().Encode("11x1", addSpecialTokens: false));
        Assert.Equal(expected, new TokenizerJson { Model = Model, PreTokenizer = preTokenizer }.Load().Encode("11x1", addSpecialTokens: false));
    }

    private static List<string> SearchAndMerge(string text)
    {
        List<string> tokens = [.. text.Select(c => c.ToString())];
        while (true)
        {
            var best = Enumerable.Range(0, tokens.Count - 1)
                .Select(i => (Rank: Array.IndexOf(Merges, (tokens[i], tokens[i + 1])), Index: i))
                .Where(pair => pair.Rank >= 0).DefaultIfEmpty((Rank: -1, Index: -1)).Min();
            if (best.Rank < 0)
            {
                return tokens;
            }

            tokens[best.Index] += tokens[best.Index + 1];
            tokens.RemoveAt(best.Index + 1);
        }
    }
}
