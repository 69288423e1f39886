using System.Text;
using Tessera.Devices;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Texts that mix words, spaces, digits, marks, scripts, emoji, controls, and on request lone surrogates.</summary>
internal static class RandomText
{
    private static readonly string[] Parts =
    [
        " ", "  ", "\n", "\r\n", "\t", "the", "The", "model", "'s", "'LL", "12", "3", "٣", "é", "e\u0301", "日本", "한", "ПРИ", "🚀", "𝒜", "𝟙",
        "👨\u200D👩", "\0", "\u0085", "\u00A0", "\u3000", "\uFEFF", "\uFFFD", "\uFFFF", "<|end|>", "<|", "...", "!?", "_", "½", "ſ", "\u0915\u094D",
    ];

    public static string Next(ref CounterRandom random, int parts, bool loneSurrogates = false)
    {
        var text = new StringBuilder();
        for (int i = 0; i < parts; i++)
        {
            int kind = random.Next(10);
            if (kind == 0)
            {
                int code = random.Next(0x110000 - 0x800);
                text.Append(char.ConvertFromUtf32(code < 0xD800 ? code : code + 0x800));
            }
            else if (kind == 1 && loneSurrogates)
            {
                text.Append((char)random.Next(0xD800, 0xDFFF));
            }
            else
            {
                text.Append(Parts[random.Next(Parts.Length)]);
            }
        }

        return text.ToString();
    }
}
