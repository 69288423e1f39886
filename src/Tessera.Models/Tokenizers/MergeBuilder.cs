using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>Fills a table of merges in the order of a file; each has to join two known tokens to a third.</summary>
internal sealed class MergeBuilder(string file, string field, Dictionary<string, int> ids, int capacity)
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    private char[] _text = new char[256];
    private int _index;

    /// <summary>What has been read.</summary>
    public MergeTable Table { get; } = new(capacity);

    /// <summary>Two tokens with one space between.</summary>
    public void AddLine(ref Utf8JsonReader reader)
    {
        if (_text.Length < reader.ValueSpan.Length)
        {
            _text = new char[reader.ValueSpan.Length];
        }

        int length;
        try
        {
            length = reader.CopyString(_text);
        }
        catch (InvalidOperationException)
        {
            throw Error("holds a string that is not valid Unicode");
        }

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

        int left = Find(text[..space]), right = Find(text[(space + 1)..]);
        text[(space + 1)..].CopyTo(text[space..]);
        Table.Add(left, right, _index, Find(text[..^1]));
        _index++;
    }

    /// <summary>Two tokens.</summary>
    public void AddPair(string left, string right)
    {
        Table.Add(Find(left), Find(right), _index, Find(left + right));
        _index++;
    }

    /// <summary>The exception to throw about the current entry.</summary>
    public InvalidDataException Error(string problem) => new($"{file}: {field}[{_index}] {problem}.");

    private int Find(ReadOnlySpan<char> token) => _lookup.TryGetValue(token, out int id)
        ? id
        : throw Error($"needs the token '{FileField.Shorten(token.ToString())}', which is not in {(field == "model.merges" ? "model.vocab" : "the vocabulary")}");
}
