namespace Tessera.Models.Tokenizers;

/// <summary>
/// The text of a growing sequence of ids, a piece at a time. Everything returned so far and <see cref="Flush"/> together are what
/// <see cref="Tokenizer.Decode"/> gives for all ids.
/// </summary>
/// <remarks>
/// Only whole characters are returned. Byte-level vocabularies hold back at most the three bytes of an unfinished character;
/// vocabularies with byte tokens hold back a run of such tokens until another token ends it, because one invalid byte changes how
/// the whole run is read. Not safe for several threads; one decoder for each sequence.
/// </remarks>
public sealed class StreamingDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly TextSink _sink = new();
    private DecodingStage _stages;

    /// <summary>A decoder at the beginning of a sequence.</summary>
    public StreamingDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _stages = tokenizer.CreateDecoder(_sink);
    }

    /// <summary>Takes the next id and returns the text that is certain now; it may be empty.</summary>
    public string Append(int id)
    {
        Push(id);
        return _sink.Take();
    }

    /// <summary>Ends the sequence and returns what was held back; the decoder then starts a new sequence.</summary>
    public string Flush()
    {
        _stages.EndAll();
        _stages = _tokenizer.CreateDecoder(_sink);
        return _sink.Take();
    }

    /// <summary>A whole sequence at once.</summary>
    internal string Decode(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
        {
            Push(id);
        }

        return Flush();
    }

    private void Push(int id)
    {
        if (_tokenizer.DecodingText(id, _skipSpecialTokens) is string text)
        {
            _stages.Add(text);
            _stages.EndToken();
        }
    }
}
