using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Form C, seen through a tokenizer whose every token is a character of the expected text.</summary>
public class CanonicalFormTests
{
    // Examples of UAX #15 and cases of its rules: singletons, exclusions, reordering, blocking, Hangul.
    [Theory]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("\u2126", "\u03A9")]
    [InlineData("D\u0307\u0323", "\u1E0C\u0307")]
    [InlineData("D\u0323\u0307", "\u1E0C\u0307")]
    [InlineData("\u1E0A\u0323", "\u1E0C\u0307")]
    [InlineData("o\u0302\u0301", "\u1ED1")]
    [InlineData("a\u0327\u0301\u0302", "\u00E1\u0327\u0302")]
    [InlineData("a\u0301\u0301", "\u00E1\u0301")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\uFB1D", "\u05D9\u05B4")]
    [InlineData("\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\uD558\u11AB", "\uD55C")]
    [InlineData("\u1112\u1161\u11A7", "\uD558\u11A7")]
    [InlineData("\uD55C\u11AB", "\uD55C\u11AB")]
    [InlineData("\u0F71\u0F72\u0F74", "\u0F71\u0F72\u0F74")]
    [InlineData("\uF900", "\u8C48")]
    [InlineData("\U0002F800", "\u4E3D")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("\U00011099\U000110BA", "\U0001109A")]
    [InlineData("\u0301e", "\u0301e")]
    [InlineData("fi\uFB01", "fi\uFB01")]
    [InlineData("plain", "plain")]
    public void Texts_reach_their_form(string text, string expected)
    {
        Assert.Equal(expected, Normalize(text, expected));
        Assert.Equal(expected, Normalize(expected, expected));
    }

    [Fact]
    public void Syllables_of_Hangul_come_together()
    {
        string syllables = "", parts = "";
        for (int lead = 0; lead < 19; lead++)
        {
            for (int tail = 0; tail < 28; tail++)
            {
                int vowel = (lead + tail) % 21;
                syllables += (char)(0xAC00 + (((lead * 21) + vowel) * 28) + tail);
                parts += $"{(char)(0x1100 + lead)}{(char)(0x1161 + vowel)}{(tail == 0 ? "" : (char)(0x11A7 + tail))}";
            }
        }

        Assert.Equal(syllables, Normalize(parts, syllables));
    }

    [Fact]
    public void Thousands_of_marks_are_ordered_stably_and_fast()
    {
        string text = "x" + string.Concat(Enumerable.Repeat("\u0345\u0334\u0316", 20_000));
        string ordered = "x" + new string('\u0334', 20_000) + new string('\u0316', 20_000) + new string('\u0345', 20_000);
        Assert.Equal(ordered, Normalize(text, ordered));
    }

    private static string Normalize(string text, string characters)
    {
        // Characters outside the vocabulary would vanish, so equality means that nothing else came out.
        string[] runes = [.. characters.EnumerateRunes().Select(rune => rune.ToString()).Distinct()];
        string vocabulary = string.Join(", ", runes.Append("?").Select((rune, id) => $"\"{rune}\": {id}"));
        Tokenizer tokenizer = new TokenizerJson
        {
            Normalizer = """{"type": "NFC"}""",
            Model = $$"""{"type": "BPE", "unk_token": "?", "vocab": { {{vocabulary}} }, "merges": []}""",
        }.Load();
        return tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false);
    }
}
