using System.Text;
using Tessera.Inference;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Data;

/// <summary>The text of one continuation as its tokens come, up to the first stop text.</summary>
/// <remarks>
/// The decoder has seen the prompt, because some vocabularies decode the first token of a text differently (its leading space
/// is dropped).
/// </remarks>
internal sealed class ContinuationText
{
    private readonly StreamingDecoder _decoder;
    private readonly StopTextFilter _filter;
    private readonly StringBuilder _text = new();
    private string _heldOfPrompt;

    public ContinuationText(Tokenizer tokenizer, int[] prompt, IReadOnlyList<string> stops)
    {
        _decoder = new StreamingDecoder(tokenizer, skipSpecialTokens: true);
        _filter = new StopTextFilter(stops);
        int shown = prompt.Sum(id => _decoder.Append(id).Length);
        _heldOfPrompt = tokenizer.Decode(prompt, skipSpecialTokens: true)[shown..];
    }

    /// <summary>Whether a stop text has occurred.</summary>
    public bool IsStopped => _filter.IsStopped;

    /// <summary>Everything returned so far.</summary>
    public string Text => _text.ToString();

    /// <summary>Takes a token and returns the text that is certain now.</summary>
    public string Append(int id) => Keep(_filter.Append(WithoutPrompt(_decoder.Append(id))));

    /// <summary>Ends the text and returns what was held back.</summary>
    public string End() => Keep(_filter.Append(WithoutPrompt(_decoder.Flush())) + _filter.Flush());

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
