using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>A text and where its pieces end; the pieces cover it. Rewritten in place by the steps of a pre-tokenizer.</summary>
internal sealed class PieceBuffer
{
    private List<int> _ends = [];
    private List<int> _nextEnds = [];
    private string _text = "";

    /// <summary>Whether the text is the beginning of what the caller asked to encode.</summary>
    public bool StartsInput { get; private set; }

    /// <summary>How many pieces there are.</summary>
    public int Count => _ends.Count;

    /// <summary>Starts over with one piece.</summary>
    public void Reset(string text, bool startsInput)
    {
        _text = text;
        StartsInput = startsInput;
        _ends.Clear();
        if (text.Length > 0)
        {
            _ends.Add(text.Length);
        }
    }

    /// <summary>One piece.</summary>
    public ReadOnlySpan<char> Piece(int index)
    {
        int start = index == 0 ? 0 : _ends[index - 1];
        return _text.AsSpan(start, _ends[index] - start);
    }

    /// <summary>Cuts every piece further.</summary>
    public void Split(PieceSplitter splitter)
    {
        _nextEnds.Clear();
        int start = 0;
        foreach (int end in _ends)
        {
            splitter.Split(_text.AsSpan(start, end - start), start, _nextEnds);
            start = end;
        }

        (_ends, _nextEnds) = (_nextEnds, _ends);
    }

    /// <summary>Puts a character before every piece that a rule names.</summary>
    public void PrefixPieces(char prefix, Func<ReadOnlySpan<char>, bool> wants)
    {
        var text = new StringBuilder(_text.Length + _ends.Count);
        _nextEnds.Clear();
        for (int i = 0; i < _ends.Count; i++)
        {
            if (wants(Piece(i)))
            {
                text.Append(prefix);
            }

            text.Append(Piece(i));
            _nextEnds.Add(text.Length);
        }

        _text = text.ToString();
        (_ends, _nextEnds) = (_nextEnds, _ends);
    }

    /// <summary>Puts a character before the first piece unless it begins with it.</summary>
    public void PrefixFirstPiece(char prefix)
    {
        if (_ends.Count > 0 && _text[0] != prefix)
        {
            _text = prefix + _text;
            for (int i = 0; i < _ends.Count; i++)
            {
                _ends[i]++;
            }
        }
    }

    /// <summary>Replaces a character everywhere.</summary>
    public void Replace(char old, char replacement) => _text = _text.Replace(old, replacement);
}
