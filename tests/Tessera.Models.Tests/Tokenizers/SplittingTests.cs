using System.Text;
using System.Text.Json;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>
/// Pieces of published patterns, seen through a tokenizer whose vocabulary is the expected pieces, each taken whole: any other
/// piece would vanish.
/// </summary>
public class SplittingTests
{
    private const string Llama =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // Pieces that the reference library's engine gave for the pattern of Llama 3.
    private const string LlamaPieces = """
        "hello   world"  ["hello", "  ", " world"]
        "hello \n world"  ["hello", " \n", " world"]
        "   \n  x"  ["   \n", " ", " x"]
        "\n\n  x"  ["\n\n", " ", " x"]
        " \t\n\r\n x"  [" \t\n\r\n", " x"]
        "\u00a0\u00a0x"  ["\u00a0", "\u00a0x"]
        "\t\tx"  ["\t", "\tx"]
        "12345"  ["123", "45"]
        "don't"  ["don", "'t"]
        "DON'T"  ["DON", "'T"]
        "'RE you"  ["'RE", " you"]
        "don'\u017ftart"  ["don", "'\u017f", "tart"]
        "\ud835\udc9c\ud835\udcb7\ud835\udcb8 \ud835\udfd9\ud835\udfda\ud835\udfdb\ud835\udfdc"  ["\ud835\udc9c\ud835\udcb7\ud835\udcb8", " ", "\ud835\udfd9\ud835\udfda\ud835\udfdb", "\ud835\udfdc"]
        "\ud842\udfb7\u91ce\u5bb6abc"  ["\ud842\udfb7\u91ce\u5bb6abc"]
        "\ud83d\ude80abc"  ["\ud83d\ude80abc"]
        "a\ud83d\ude80b"  ["a", "\ud83d\ude80b"]
        " \ud83d\ude80\n"  [" \ud83d\ude80\n"]
        "e\u0301e"  ["e", "\u0301e"]
        "\u0915\u094d\u0937\u093f"  ["\u0915", "\u094d\u0937", "\u093f"]
        "\u06f1\u06f2\u06f3\u06f4"  ["\u06f1\u06f2\u06f3", "\u06f4"]
        "...\n\n"  ["...\n\n"]
        " ...\n"  [" ...\n"]
        "{\"a\": [1, 2]}"  ["{\"", "a", "\":", " [", "1", ",", " ", "2", "]}"]
        """;

    [Fact]
    public void Llama_pieces_equal_the_reference_engines()
    {
        foreach (string row in LlamaPieces.Split('\n'))
        {
            int border = row.IndexOf("  [", StringComparison.Ordinal);
            AssertPieces(Split(Llama), JsonSerializer.Deserialize<string>(row[..border])!, JsonSerializer.Deserialize<string[]>(row[border..])!);
        }
    }

    [Theory]
    [InlineData("it's IT'S we'll", "it|'s| IT|'|S| we|'ll")]
    [InlineData("a  b\n\n c ", "a| | b|\n\n| c| ")]
    [InlineData("x12 345é٣", "x|12| 345|é|٣")]
    [InlineData(" 🚀𝒜𝟙!?\n", " 🚀|𝒜|𝟙|!?|\n")]
    [InlineData("\t\tx \u00A0\u00A0y", "\t|\t|x| \u00A0|\u00A0|y")]
    [InlineData("don'ſt", "don|'|ſt")]
    public void Gpt2_pieces_follow_its_pattern(string text, string pieces) =>
        AssertPieces("""{"type": "ByteLevel", "add_prefix_space": false}""", text, pieces.Split('|'));

    [Theory]
    [InlineData("a1b22", "a|1|b|2|2")]
    [InlineData("we're 12", "we|'re| |1|2")]
    public void Digits_are_split_before_words(string text, string pieces) => AssertPieces(
        """
        {"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": "\\p{N}"}, "behavior": "Isolated", "invert": false},
          {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}
        """,
        text,
        pieces.Split('|'));

    [Fact]
    public void A_prefix_space_is_added_only_where_there_is_none()
    {
        const string PreTokenizer = """{"type": "ByteLevel", "add_prefix_space": true}""";
        Assert.Equal([" a", " b"], Pieces(PreTokenizer, "a b", [" a", " b"]));
        Assert.Equal([" a", " b"], Pieces(PreTokenizer, " a b", [" a", " b"]));
        Assert.Empty(Pieces(PreTokenizer, "", [" a"]));
    }

    private static string Split(string pattern) => $$"""
        {"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": {{JsonSerializer.Serialize(pattern)}} }, "behavior": "Isolated", "invert": false},
          {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
        """;

    private static void AssertPieces(string preTokenizer, string text, string[] expected)
    {
        Assert.Equal(text, string.Concat(expected));
        Assert.Equal(expected, Pieces(preTokenizer, text, expected));
    }

    private static IEnumerable<string> Pieces(string preTokenizer, string text, string[] vocabulary)
    {
        var ids = vocabulary.Distinct().Select((piece, id) => (Mapped(piece), id)).ToDictionary(pair => pair.Item1, pair => pair.id);
        Tokenizer tokenizer = new TokenizerJson
        {
            PreTokenizer = preTokenizer,
            Decoder = """{"type": "ByteLevel"}""",
            Model = JsonSerializer.Serialize(new { type = "BPE", ignore_merges = true, vocab = ids, merges = Array.Empty<string>() }),
        }.Load();
        return tokenizer.Encode(text, addSpecialTokens: false).Select(id => tokenizer.Decode([id], skipSpecialTokens: false));
    }

    private static string Mapped(string text)
    {
        List<int> moved = [.. Enumerable.Range(0, 33), .. Enumerable.Range(127, 34), 173];
        return string.Concat(Encoding.UTF8.GetBytes(text).Select(value => (char)(moved.Contains(value) ? 0x100 + moved.IndexOf(value) : value)));
    }
}
