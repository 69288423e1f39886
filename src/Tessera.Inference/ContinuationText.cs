using System.Text;
using Tessera.Models.Tokenizers;

namespace Tessera.Inference;

/// <summary>The text of one continuation as its tokens come, up to the first stop text.</summary>
/// <remarks>
/// The decoder has seen the prompt, because some vocabularies decode the first token of a text differently (its leading space
/// is dropped).
/// </remarks>
public sealed class ContinuationText
{
    private readonly Tokenizer _tokenizer;
    private readonly IReadOnlySet<int> _shown;
    private readonly StreamingDecoder _decoder;
    private readonly StopTextFilter _filter;
    private readonly StringBuilder _text = new();
    private string _heldOfPrompt;

    /// <summary>A continuation without tokens yet.</summary>
    /// <param name="tokenizer">Gives the tokens' text.</param>
    /// <param name="prompt">Ids in front of the continuation.</param>
    /// <param name="stops">Texts that end the continuation and are not part of it.</param>
    /// <param name="shownTokens">Control tokens whose text belongs to the continuation; null for none.</param>
    public ContinuationText(
        Tokenizer tokenizer, ReadOnlySpan<int> prompt, IReadOnlyList<string> stops, IReadOnlySet<int>? shownTokens = null)
    {
        _tokenizer = tokenizer;
        _shown = shownTokens ?? new HashSet<int>();
        _decoder = new StreamingDecoder(tokenizer, skipSpecialTokens: false);
        _filter = new StopTextFilter(stops);
        var whole = new StreamingDecoder(tokenizer, skipSpecialTokens: false);
        foreach (int id in prompt)
        {
            Decode(_decoder, id);
            Decode(whole, id);
        }

        _heldOfPrompt = whole.Flush();
    }

    /// <summary>Whether a stop text has occurred.</summary>
    public bool IsStopped => _filter.IsStopped;

    /// <summary>Everything returned so far.</summary>
    public string Text => _text.ToString();

    /// <summary>Takes a token and returns the text that is certain now.</summary>
    public string Append(int id) => Keep(_filter.Append(WithoutPrompt(Decode(_decoder, id))));

    /// <summary>Ends the text and returns what was held back.</summary>
    public string End() => Keep(_filter.Append(WithoutPrompt(_decoder.Flush())) + _filter.Flush());

    private string Decode(StreamingDecoder decoder, int id) =>
        _tokenizer.IsSpecial(id) && !_shown.Contains(id) ? string.Empty : decoder.Append(id);

    private string WithoutPrompt(string text)
    {
        if (text.Length == 0)
        {
            return text;
        }

        string held = _heldOfPrompt;
        _heldOfPrompt = string.Empty;
        return text.StartsWith(held, StringComparison.Ordinal) ? text[held.Length..] : text;
    }

    private string Keep(string text)
    {
        _text.Append(text);
        return text;
    }
}
