using System.Buffers;
using System.Buffers.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Reads a file of ranks: a line for each token, its bytes in base64, a space, its id. Of two neighbours whose bytes together are
/// a token, those of the lowest id merge first. The file names neither pattern nor control tokens, so only Llama 3's, which both
/// are published for, is accepted (models/llama3/tokenizer.py of meta-llama/llama-models).
/// </summary>
/// <remarks>
/// Meta's own code cuts texts of more than 400,000 characters and runs of more than 25,000 (non-)whitespace characters before
/// encoding; this does not.
/// </remarks>
internal static class RankFileReader
{
    /// <summary>The number of ranks in Llama 3's file.</summary>
    public const int LlamaRanks = 128_000;

    private const int ControlTokens = 256;
    private const int TokenLimit = 1024;
    private const long CutWorkLimit = 1L << 28;
    private static readonly string[] FirstControlTokens =
    [
        "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
        "<|reserved_special_token_2|>", "<|reserved_special_token_3|>", "<|start_header_id|>", "<|end_header_id|>",
        "<|reserved_special_token_4|>", "<|eot_id|>",
    ];

    /// <summary>Whether the first line is base64, a space and a number.</summary>
    public static bool Recognises(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? bytes : bytes[..end];
        int space = line.IndexOf((byte)' ');
        return space > 0 && line.Length <= 2 * TokenLimit && Base64.IsValid(line[..space])
            && line[(space + 1)..].TrimEnd((byte)'\r').IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0;
    }

    /// <summary>Llama 3's tokenizer.</summary>
    public static TokenizerParts Read(string file, ReadOnlyMemory<byte> bytes) => Read(file, bytes, LlamaRanks);

    /// <summary>A vocabulary of a given number of ranks with Llama 3's pattern and control tokens.</summary>
    internal static TokenizerParts Read(string file, ReadOnlyMemory<byte> bytes, int count)
    {
        List<string> tokens = ReadTokens(file, bytes.Span, count);
        if (tokens.Count != count)
        {
            throw new InvalidDataException(
                $"{file}: the document has {tokens.Count} ranks; only Llama 3's file of {count} is supported, because its pattern and control tokens are known.");
        }

        var ids = new Dictionary<string, int>(tokens.Count);
        for (int id = 0; id < tokens.Count; id++)
        {
            if (!ids.TryAdd(tokens[id], id))
            {
                throw Error(file, id, "repeats the token of another line");
            }
        }

        for (int value = 0; value < 256; value++)
        {
            if (!ids.ContainsKey(ByteAlphabet.ToCharacter((byte)value).ToString()))
            {
                throw new InvalidDataException($"{file}: the document has no token for the byte 0x{value:X2}.");
            }
        }

        var options = new BpeOptions { MapsBytes = true, IgnoreMerges = true };
        var added = new List<AddedToken>();
        for (int i = 0; i < ControlTokens; i++)
        {
            string content = i < FirstControlTokens.Length ? FirstControlTokens[i] : $"<|reserved_special_token_{i - 5}|>";
            added.Add(new AddedToken(content, count + i) { Special = true });
        }

        return new TokenizerParts(
            new BpeModel(ids, Merges(file, tokens, ids), options),
            null,
            [new SplitStep(new LlamaSplitter(3)), new ByteLevelStep(addPrefixSpace: false, usePattern: false)],
            next => new ByteLevelStage(next),
            added,
            [count],
            []);
    }

    private static List<string> ReadTokens(string file, ReadOnlySpan<byte> rest, int limit)
    {
        var tokens = new List<string>();
        Span<byte> decoded = stackalloc byte[TokenLimit];
        Span<char> characters = stackalloc char[TokenLimit];
        while (!rest.IsEmpty && tokens.Count <= limit)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? rest : rest[..end]).TrimEnd((byte)'\r');
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line.IsEmpty && rest.IsEmpty)
            {
                break;
            }

            int space = line.IndexOf((byte)' ');
            if (space <= 0 || Base64.DecodeFromUtf8(line[..space], decoded, out int used, out int count) != OperationStatus.Done
                || used != space || count == 0)
            {
                throw Error(file, tokens.Count, $"is not base64 of 1 to {TokenLimit} bytes, a space and a rank");
            }

            if (!Utf8Parser.TryParse(line[(space + 1)..], out int rank, out int digits) || digits != line.Length - space - 1 || rank != tokens.Count)
            {
                throw Error(file, tokens.Count, $"does not have the rank {tokens.Count}: ranks have to stand in order");
            }

            ByteAlphabet.Write(decoded[..count], characters);
            tokens.Add(characters[..count].ToString());
        }

        return tokens;
    }

    private static MergeTable Merges(string file, List<string> tokens, Dictionary<string, int> ids)
    {
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var found = new List<(int Left, int Right, int Result)>(3 * tokens.Count);
        long work = 0;
        for (int id = 0; id < tokens.Count; id++)
        {
            string token = tokens[id];
            work += (long)token.Length * token.Length;
            if (work > CutWorkLimit)
            {
                throw Error(file, id, "and the lines before it are too long together to be cut in all places");
            }

            for (int cut = 1; cut < token.Length; cut++)
            {
                if (lookup.TryGetValue(token.AsSpan(0, cut), out int left) && lookup.TryGetValue(token.AsSpan(cut), out int right))
                {
                    found.Add((left, right, id));
                }
            }
        }

        var table = new MergeTable(found.Count);
        foreach ((int left, int right, int result) in found)
        {
            table.Add(left, right, result, result);
        }

        return table;
    }

    private static InvalidDataException Error(string file, int line, string problem) => new($"{file}: line {line + 1} {problem}.");
}
