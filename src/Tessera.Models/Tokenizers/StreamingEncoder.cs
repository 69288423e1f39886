namespace Tessera.Models.Tokenizers;

/// <summary>
/// The ids of a text that comes in parts of any size: together those that <see cref="Tokenizer.Encode(string, bool, bool?)"/> gives for
/// the whole. Memory is bounded by the longest stretch in which the text cannot be cut, which in most languages is a word.
/// </summary>
/// <remarks>
/// A few tokenizers allow no cut at all (their normaliser or their added tokens look across words); for them
/// <see cref="IsBounded"/> is false and everything is kept until <see cref="Finish"/>. Not safe for several threads; one encoder a text.
/// </remarks>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="addSpecialTokens">Whether the file's template adds its tokens.</param>
/// <param name="parseSpecial">As in <see cref="Tokenizer.Encode(string, bool, bool?)"/>.</param>
public sealed class StreamingEncoder(Tokenizer tokenizer, bool addSpecialTokens, bool? parseSpecial = null)
{
    /// <summary>The most characters that a stretch without a place to cut may have.</summary>
    public const int StretchLimit = 256 << 20;

    private char[] _text = new char[1 << 10];
    private int _length;
    private int _searched;
    private bool _started;

    /// <summary>Whether memory is bounded.</summary>
    public bool IsBounded => tokenizer.Cuts is not null;

    /// <summary>How many characters are waiting for what follows them.</summary>
    public int Waiting => _length;

    /// <summary>How many characters are gathered before the text is cut; a part is encoded faster where it is longer.</summary>
    public int PartLength { get; init; } = 1 << 16;

    /// <summary>Takes the next part of the text and adds the ids that are certain now.</summary>
    /// <exception cref="InvalidDataException">A stretch without a place to cut is longer than <see cref="StretchLimit"/>.</exception>
    public void Append(ReadOnlySpan<char> part, List<int> output)
    {
        while (!part.IsEmpty)
        {
            int taken = Math.Min(part.Length, Math.Max(PartLength, _length));
            Keep(part[..taken]);
            part = part[taken..];
            if (_length >= PartLength && tokenizer.Cuts is { } rule)
            {
                int cut = rule.Last(_text.AsSpan(0, _length), _searched);
                if (cut < 0)
                {
                    _searched = _length;
                    continue;
                }

                Encode(cut, output);
            }
        }
    }

    /// <summary>Ends the text and adds the remaining ids; the encoder then starts a new text.</summary>
    public void Finish(List<int> output)
    {
        Encode(_length, output);
        if (addSpecialTokens)
        {
            output.AddRange(tokenizer.SuffixIds);
        }

        _started = false;
    }

    private void Keep(ReadOnlySpan<char> part)
    {
        if (_length + part.Length > _text.Length)
        {
            if (_length + part.Length > StretchLimit)
            {
                throw new InvalidDataException($"the text has more than {StretchLimit} characters without a place where it may be cut");
            }

            Array.Resize(ref _text, Math.Max(_length + part.Length, Math.Min(2 * _text.Length, StretchLimit)));
        }

        part.CopyTo(_text.AsSpan(_length));
        _length += part.Length;
    }

    private void Encode(int end, List<int> output)
    {
        if (!_started && addSpecialTokens)
        {
            output.AddRange(tokenizer.PrefixIds);
        }

        tokenizer.EncodePart(WellFormedText.From(_text.AsSpan(0, end)), output, parseSpecial, continues: _started);
        _started = true;
        _text.AsSpan(end, _length - end).CopyTo(_text);
        (_length, _searched) = (_length - end, 0);
    }
}
