using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>Fills a table of merges in the order of a file; each has to join two known tokens to a third.</summary>
/// <param name="file">The file's name, for messages.</param>
/// <param name="field">The name of the list of merges.</param>
/// <param name="ids">The vocabulary.</param>
/// <param name="expected">About how many merges there are.</param>
internal sealed class MergeBuilder(string file, string field, Dictionary<string, int> ids, int expected)
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    private readonly string?[] _texts = ByIds(ids);
    private char[] _text = new char[256];
    private int _index;
    private int _lastResult;

    /// <summary>What has been read.</summary>
    public MergeTable Table { get; } = new(expected);

    /// <summary>The current string of a document: two tokens with one space between.</summary>
    public void AddLine(ref Utf8JsonReader reader)
    {
        // Copying may replace the buffer.
        int length = Copy(ref reader, 0);
        AddLine(_text.AsSpan(0, length));
    }

    /// <summary>Two tokens with one space between; the buffer is overwritten.</summary>
    public void AddLine(Span<char> text)
    {
        if (text.StartsWith("#version", StringComparison.Ordinal))
        {
            _index++;
            return;
        }

        int space = text.IndexOf(' ');
        if (space <= 0 || space == text.Length - 1 || text[(space + 1)..].Contains(' '))
        {
            throw Error($"is '{FileField.Shorten(text.ToString())}', not two tokens with one space between");
        }

        text[(space + 1)..].CopyTo(text[space..]);
        Add(text[..^1], space);
    }

    /// <summary>The current array of a document: two tokens.</summary>
    public void AddPair(ref Utf8JsonReader reader)
    {
        int found = 0, split = 0, length = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.String || found == 2)
            {
                throw NoPair();
            }

            (split, length) = (length, length + Copy(ref reader, length));
            found++;
        }

        if (found < 2)
        {
            throw NoPair();
        }

        Add(_text.AsSpan(0, length), split);
    }

    /// <summary>The exception to throw about an entry that is of another type.</summary>
    public InvalidDataException NoPair() => Error("is neither a string nor a pair of strings");

    private static string?[] ByIds(Dictionary<string, int> ids)
    {
        var texts = new string?[ids.Count];
        foreach ((string text, int id) in ids)
        {
            if (id < texts.Length)
            {
                texts[id] = text;
            }
        }

        return texts;
    }

    private InvalidDataException Error(string problem) => new($"{file}: {field}[{_index}] {problem}.");

    private int Copy(ref Utf8JsonReader reader, int start)
    {
        if (_text.Length < start + reader.ValueSpan.Length)
        {
            Array.Resize(ref _text, 2 * (start + reader.ValueSpan.Length));
        }

        try
        {
            return reader.CopyString(_text.AsSpan(start));
        }
        catch (InvalidOperationException)
        {
            throw Error("holds a string that is not valid Unicode");
        }
    }

    private void Add(ReadOnlySpan<char> joined, int split)
    {
        Table.Add(Find(joined[..split]), Find(joined[split..]), _index, Result(joined));
        _index++;
    }

    // Trained vocabularies list merges in the order of their results' ids, so the last one or the next is tried first.
    private int Result(ReadOnlySpan<char> joined)
    {
        for (int id = _lastResult; id <= _lastResult + 1 && id < _texts.Length; id++)
        {
            if (joined.SequenceEqual(_texts[id]))
            {
                return _lastResult = id;
            }
        }

        return _lastResult = Find(joined);
    }

    private int Find(ReadOnlySpan<char> token) => _lookup.TryGetValue(token, out int id)
        ? id
        : throw Error($"needs the token '{FileField.Shorten(token.ToString())}', which is not in {(field == "model.merges" ? "model.vocab" : "the vocabulary")}");
}
