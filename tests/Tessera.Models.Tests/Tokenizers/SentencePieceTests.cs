using System.Text;
using Tessera.Devices;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Vocabularies of pieces with scores: merging against its definition, the normaliser's settings, the way back.</summary>
public class SentencePieceTests
{
    private static readonly SentencePieceOptions Plain = new() { AddDummyPrefix = false };

    [Fact]
    public void Merging_follows_its_definition_on_random_vocabularies_and_texts()
    {
        var random = new CounterRandom(11, 4);
        int merged = 0;
        for (int round = 0; round < 400; round++)
        {
            var pieces = RandomVocabulary(ref random, round % 2 == 0);
            var options = Plain with { ByteFallback = round % 2 == 0 };
            Tokenizer tokenizer = Tokenizer.FromSentencePieces("here", pieces, options);
            for (int i = 0; i < 20; i++)
            {
                string text = RandomText(ref random, round % 40 == 0 ? 300 : 24);
                int[] expected = EncodeByDefinition(text.Replace(' ', '▁'), pieces, options.ByteFallback);
                Assert.Equal(expected, tokenizer.Encode(text, addSpecialTokens: false));
                merged += expected.Count(id => pieces[id].Type == SentencePieceType.Normal && pieces[id].Text.Length > 1);
            }
        }

        Assert.True(merged > 10_000, $"only {merged} merged pieces");
    }

    [Theory]
    [InlineData(true, false, " a  b ", "▁▁a▁▁b▁")]
    [InlineData(false, false, " a  b ", "▁a▁▁b▁")]
    [InlineData(true, true, " a  b ", "▁a▁b")]
    [InlineData(false, true, " a  b ", "a▁b")]
    [InlineData(true, true, "   ", "")]
    [InlineData(true, false, "", "")]
    [InlineData(true, true, "a\u00A0 b", "▁a\u00A0▁b")]
    public void Spaces_are_added_removed_and_escaped(bool prefix, bool remove, string text, string expected)
    {
        string[] known = ["a", "b", "▁", "\u00A0"];
        Tokenizer tokenizer = new SentencePieceBytes
        {
            Pieces = [.. SentencePieceBytes.Start, .. known.Select(piece => new SentencePiece(piece, -1, SentencePieceType.Normal))],
            AddDummyPrefix = prefix,
            RemoveExtraWhitespaces = remove,
        }.Load();
        Assert.Equal(expected, string.Concat(tokenizer.Encode(text, addSpecialTokens: false).Select(tokenizer.TokenText)));
    }

    [Fact]
    public void A_character_map_replaces_the_longest_match_before_spaces_are_counted()
    {
        Tokenizer tokenizer = new SentencePieceBytes
        {
            Pieces =
            [
                .. SentencePieceBytes.Start,
                .. ((string[])["f", "i", "1", "▁", "á", "a", "\u0301", "x"]).Select(piece => new SentencePiece(piece, -1, SentencePieceType.Normal)),
                new SentencePiece("ﬁ!", 0, SentencePieceType.UserDefined),
            ],
            RemoveExtraWhitespaces = true,
            CharacterMap = CharacterMapBytes.Compile(("ﬁ", "fi"), ("①", "1"), ("\u3000", " "), ("a\u0301", "á"), ("a", "a"), ("\u200B", ""), ("\U0001D7D9", "1")),
        }.Load();
        string Read(string text) => string.Concat(tokenizer.Encode(text, addSpecialTokens: false).Select(tokenizer.TokenText));

        Assert.Equal("▁fi11", Read("ﬁ①\U0001D7D9"));
        Assert.Equal("▁á▁a", Read("a\u0301\u3000 a\u3000"));
        Assert.Equal("▁xx", Read("x\u200Bx"));
        Assert.Equal("▁ﬁ!fi", Read("ﬁ!ﬁ"));
        Assert.Equal("", Read("\u3000\u200B"));
    }

    [Fact]
    public void Bytes_come_back_as_characters_and_lone_ones_as_replacements_streamed_and_whole()
    {
        Tokenizer tokenizer = new SentencePieceBytes().Load();
        int[] Bytes(params int[] values) => [.. values.Select(value => 3 + value)];
        int a = tokenizer.TokenId("▁a")!.Value;
        (int[] Ids, string Text)[] cases =
        [
            ([a, .. Bytes(0xF0, 0x9F, 0x9A, 0x80), a], "a\U0001F680 a"),
            ([.. Bytes(0xF0, 0x9F, 0x9A), a], "\uFFFD\uFFFD\uFFFD a"),
            (Bytes(0xED, 0xA0, 0x80), "\uFFFD\uFFFD\uFFFD"),
            (Bytes(0xC3, 0x28, 0xC3, 0xA9), "\uFFFD(é"),
            (Bytes(0xE2, 0x82), "\uFFFD\uFFFD"),
            ([0], " \u2047 "),
        ];
        Assert.All(cases, item =>
        {
            Assert.Equal(item.Text, tokenizer.Decode(item.Ids, skipSpecialTokens: false));
            Assert.Equal(item.Text, PublishedVectorTests.Stream(tokenizer, item.Ids));
        });
    }

    [Fact]
    public void Control_text_is_plain_text_unless_asked_for_and_user_defined_pieces_are_found()
    {
        Tokenizer tokenizer = new SentencePieceBytes
        {
            Pieces = [.. new SentencePieceBytes().Pieces, new SentencePiece("<b>", 0, SentencePieceType.UserDefined)],
        }.Load();
        int last = tokenizer.VocabularySize - 1;
        Assert.DoesNotContain(1, tokenizer.Encode("<s>ab", addSpecialTokens: false));
        Assert.Equal([1, tokenizer.TokenId("▁ab")!.Value], tokenizer.Encode("<s>ab", addSpecialTokens: false, parseSpecial: true));
        Assert.Equal([1, tokenizer.TokenId("▁ab")!.Value, last, tokenizer.TokenId("ab")!.Value], tokenizer.Encode("ab<b>ab", addSpecialTokens: true));
        Assert.Equal("ab<b>ab", tokenizer.Decode(tokenizer.Encode("ab<b>ab", addSpecialTokens: true), skipSpecialTokens: true));
        Assert.Equal([1], tokenizer.PrefixIds);
        Assert.True(tokenizer.IsSpecial(1));
    }

    private static List<SentencePiece> RandomVocabulary(ref CounterRandom random, bool bytes)
    {
        List<SentencePiece> pieces = bytes ? [.. SentencePieceBytes.Start] : [.. SentencePieceBytes.Start[..3]];
        var seen = new HashSet<string>();
        foreach (string letter in (string[])["a", "b", "c", "▁", "é"])
        {
            seen.Add(letter);
            pieces.Add(new SentencePiece(letter, -100 - random.Next(3), SentencePieceType.Normal));
        }

        for (int i = 0; i < 24; i++)
        {
            string text = pieces[^(1 + random.Next(seen.Count))].Text + pieces[^(1 + random.Next(seen.Count))].Text;
            if (seen.Add(text))
            {
                pieces.Add(new SentencePiece(text, -random.Next(8), SentencePieceType.Normal));
            }
        }

        return pieces;
    }

    private static string RandomText(ref CounterRandom random, int longest)
    {
        const string Letters = "aaabbbccc  éx\u4E00";
        var text = new StringBuilder();
        for (int length = random.Next(longest); length > 0; length--)
        {
            text.Append(Letters[random.Next(Letters.Length)]);
        }

        return text.ToString();
    }

    // Of all neighbours that spell a piece the one with the highest score, the leftmost first, until there is none.
    private static int[] EncodeByDefinition(string text, List<SentencePiece> pieces, bool bytes)
    {
        var known = pieces.Index().Where(entry => entry.Item.Type == SentencePieceType.Normal).ToDictionary(entry => entry.Item.Text, entry => entry.Index);
        List<string> symbols = [.. text.EnumerateRunes().Select(rune => rune.ToString())];
        while (true)
        {
            int best = -1;
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                if (known.TryGetValue(symbols[i] + symbols[i + 1], out int id)
                    && (best < 0 || pieces[id].Score > pieces[known[symbols[best] + symbols[best + 1]]].Score))
                {
                    best = i;
                }
            }

            if (best < 0)
            {
                break;
            }

            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }

        var ids = new List<int>();
        bool afterUnknown = false;
        foreach (string symbol in symbols)
        {
            bool isKnown = known.TryGetValue(symbol, out int id);
            if (isKnown)
            {
                ids.Add(id);
            }
            else if (bytes)
            {
                ids.AddRange(Encoding.UTF8.GetBytes(symbol).Select(value => 3 + value));
            }
            else if (!afterUnknown)
            {
                ids.Add(0);
            }

            afterUnknown = !isKnown;
        }

        return [.. ids];
    }
}
