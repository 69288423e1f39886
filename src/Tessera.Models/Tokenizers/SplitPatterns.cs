using System.Buffers;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// The regular expressions that published tokenizer.json files use, each with a splitter written by hand. Others are refused:
/// a pattern that is run almost right gives ids that are wrong only now and then.
/// </summary>
internal static class SplitPatterns
{
    /// <summary>Every number character by itself.</summary>
    public const string SingleDigits = @"\p{N}";

    private const string LlamaStart = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    private const string LlamaEnd = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string DeepSeek =
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
        + "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

    private static readonly SearchValues<char> Operators = SearchValues.Create(@"\^$.|?*+()[]{}");

    /// <summary>GPT-2's pattern, which ByteLevel brings along.</summary>
    public static PieceSplitter ByteLevel { get; } = new Gpt2Splitter();

    /// <summary>The splitter of a known pattern, and whether its matches cover every text; null where it is not known.</summary>
    public static (PieceSplitter Splitter, bool CoversAll)? Find(string pattern) => pattern switch
    {
        LlamaStart + @"\p{N}{1,3}" + LlamaEnd => (new LlamaSplitter(3), true),
        LlamaStart + @"\p{N}" + LlamaEnd => (new LlamaSplitter(1), true),
        Gpt2 => (ByteLevel, true),
        SingleDigits => (new NumberSplitter(1), false),
        @"\p{N}{1,3}" => (new NumberSplitter(3), false),
        "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+" => (new HanKanaSplitter(), false),
        DeepSeek => (new DeepSeekSplitter(), false),
        _ => null,
    };

    /// <summary>Whether a regular expression is nothing but plain characters, so that it means itself.</summary>
    public static bool IsLiteral(string pattern) => pattern.Length > 0 && pattern.AsSpan().IndexOfAny(Operators) < 0;
}
