using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// The two large tables of a tokenizer.json, <c>model.vocab</c> and <c>model.merges</c>, taken out of the document, so that they
/// are read in one pass without a tree of their hundred thousands of values.
/// </summary>
internal sealed class BpeTables
{
    private const int BytesPerEntry = 64;
    private readonly System.Collections.BitArray _taken;

    private BpeTables(int capacity)
    {
        Ids = new Dictionary<string, int>(capacity);
        _taken = new System.Collections.BitArray(capacity);
    }

    /// <summary>Tokens and ids.</summary>
    public Dictionary<string, int> Ids { get; }

    /// <summary>The merges, or nothing where the field is missing or of another type, which <see cref="Rest"/> then shows.</summary>
    public MergeTable? Merges { get; private set; }

    /// <summary>Whether the vocabulary was an object and was read; otherwise <see cref="Rest"/> shows what is there.</summary>
    public bool HasVocabulary { get; private set; }

    /// <summary>The highest id of the vocabulary, −1 for none.</summary>
    public int HighestId { get; private set; } = -1;

    /// <summary>The document without the tables.</summary>
    public ReadOnlyMemory<byte> Rest { get; private set; }

    /// <summary>Whether some token of the vocabulary has the id.</summary>
    public bool HasId(int id) => id < _taken.Length && _taken[id];

    /// <summary>Takes the tables out of a document. The whole of it is checked to be JSON.</summary>
    /// <exception cref="JsonException">It is not.</exception>
    public static BpeTables Scan(string file, ReadOnlyMemory<byte> text, int depthLimit)
    {
        var tables = new BpeTables(Math.Min(text.Length / BytesPerEntry, BpeReader.IdLimit));
        var reader = new Utf8JsonReader(text.Span, new JsonReaderOptions { MaxDepth = depthLimit });
        var rest = new ArrayBufferWriter<byte>();
        Range merges = default;
        bool hasMerges = false;
        int copied = 0;
        reader.Read();
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isModel = reader.ValueTextEquals("model");
                reader.Read();
                if (!isModel || reader.TokenType != JsonTokenType.StartObject)
                {
                    reader.Skip();
                    continue;
                }

                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    bool isVocabulary = reader.ValueTextEquals("vocab"), isMerges = reader.ValueTextEquals("merges");
                    reader.Read();
                    long start = reader.TokenStartIndex;
                    if (isVocabulary && reader.TokenType == JsonTokenType.StartObject)
                    {
                        RefuseSecond(file, tables.HasVocabulary, "vocab");
                        tables.ReadVocabulary(file, "model.vocab", ref reader);
                    }
                    else if (isMerges && reader.TokenType == JsonTokenType.StartArray)
                    {
                        RefuseSecond(file, hasMerges, "merges");
                        if (tables.HasVocabulary)
                        {
                            tables.Merges = ReadMerges(file, ref reader, tables.Ids, ExpectedMerges(text.Span[(int)start..]));
                        }
                        else
                        {
                            reader.Skip();
                        }

                        (merges, hasMerges) = ((int)start..(int)reader.BytesConsumed, true);
                    }
                    else
                    {
                        reader.Skip();
                        continue;
                    }

                    rest.Write(text.Span[copied..(int)start]);
                    rest.Write("true"u8);
                    copied = (int)reader.BytesConsumed;
                }
            }
        }

        while (reader.Read())
        {
        }

        rest.Write(text.Span[copied..]);
        tables.Rest = rest.WrittenMemory;
        if (tables.Merges is null && hasMerges && tables.HasVocabulary)
        {
            // The merges stood before the vocabulary.
            var again = new Utf8JsonReader(text.Span[merges], new JsonReaderOptions { MaxDepth = depthLimit });
            again.Read();
            tables.Merges = ReadMerges(file, ref again, tables.Ids, ExpectedMerges(text.Span[merges]));
        }

        return tables;
    }

    /// <summary>Reads a document that is a vocabulary and nothing else.</summary>
    public static BpeTables OfVocabulary(string file, ReadOnlyMemory<byte> text)
    {
        var tables = new BpeTables(Math.Min(text.Length / BytesPerEntry, BpeReader.IdLimit));
        var reader = new Utf8JsonReader(text.Span.StartsWith("\uFEFF"u8) ? text.Span[3..] : text.Span);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw Error(file, "the document", "is not an object of tokens and ids");
        }

        tables.ReadVocabulary(file, "the document", ref reader);
        reader.Read();
        return tables;
    }

    private static void RefuseSecond(string file, bool isThere, string name)
    {
        if (isThere)
        {
            throw Error(file, "model", $"has the field '{name}' twice");
        }
    }

    private static MergeTable ReadMerges(string file, ref Utf8JsonReader reader, Dictionary<string, int> ids, int expected)
    {
        var builder = new MergeBuilder(file, "model.merges", ids, expected);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.String:
                    builder.AddLine(ref reader);
                    break;
                case JsonTokenType.StartArray:
                    builder.AddPair(ref reader);
                    break;
                default:
                    throw builder.NoPair();
            }
        }

        return builder.Table;
    }

    // An entry has one comma behind it, a pair two.
    private static int ExpectedMerges(ReadOnlySpan<byte> merges)
    {
        int start = merges.Length > 1 ? merges[1..].IndexOfAnyExcept(" \t\r\n"u8) + 1 : 0;
        bool pairs = start > 0 && merges[start] == '[';
        return (merges.Count((byte)',') / (pairs ? 2 : 1)) + 1;
    }

    /// <summary>The current string, or nothing where it is not valid Unicode.</summary>
    internal static string? TextOf(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static InvalidDataException Error(string file, string field, string problem) => new($"{file}: {field} {problem}.");

    private static string Shown(ref Utf8JsonReader reader)
    {
        string text = FileField.Shorten(Encoding.UTF8.GetString(reader.ValueSpan[..Math.Min(reader.ValueSpan.Length, 64)]));
        return reader.TokenType == JsonTokenType.String ? $"\"{text}\"" : text;
    }

    private void ReadVocabulary(string file, string field, ref Utf8JsonReader reader)
    {
        HasVocabulary = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string token = TextOf(ref reader) ?? throw Error(file, field, "holds a token that is not valid Unicode");
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0 || id >= BpeReader.IdLimit)
            {
                throw Error(file, field, $"gives '{FileField.Shorten(token)}' the id {Shown(ref reader)}, not an integer from 0 to {BpeReader.IdLimit - 1}");
            }

            if (!Ids.TryAdd(token, id))
            {
                throw Error(file, field, $"holds the token '{FileField.Shorten(token)}' twice");
            }

            if (id >= _taken.Length)
            {
                _taken.Length = Math.Max(id + 1, Math.Min(2 * _taken.Length, BpeReader.IdLimit));
            }

            if (_taken[id])
            {
                throw Error(file, field, $"gives the id {id} to '{FileField.Shorten(token)}' and to another token");
            }

            _taken[id] = true;
            HighestId = Math.Max(HighestId, id);
        }
    }
}
