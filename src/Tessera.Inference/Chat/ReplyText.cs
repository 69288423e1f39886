using Tessera.Models.Tokenizers;

namespace Tessera.Inference.Chat;

/// <summary>The text of one reply as its tokens come: decoded, cut at the first stop text, reasoning apart from the answer.</summary>
/// <remarks>Not safe for several threads; who follows a reply on another thread has one of its own, which reads the same.</remarks>
public sealed class ReplyText
{
    private readonly ContinuationText _text;
    private readonly ReasoningSplitter? _splitter;

    /// <summary>A reply without tokens yet.</summary>
    /// <param name="tokenizer">Gives the tokens' text.</param>
    /// <param name="prompt">Ids in front of the reply.</param>
    /// <param name="stops">Texts that end the reply, inside the reasoning too, and are not part of it.</param>
    /// <param name="splits">Whether reasoning is told from the answer; if not, all text is answer and control tokens have none.</param>
    public ReplyText(Tokenizer tokenizer, ReadOnlySpan<int> prompt, IReadOnlyList<string> stops, bool splits = true)
    {
        _text = new ContinuationText(tokenizer, prompt, stops, splits ? TagTokens(tokenizer) : null);
        _splitter = splits ? new ReasoningSplitter(EndsOpen(tokenizer, prompt)) : null;
    }

    /// <summary>Where the reply is.</summary>
    public OutputPart Part => _splitter?.Part ?? OutputPart.Content;

    /// <summary>Whether a stop text has occurred.</summary>
    public bool IsStopped => _text.IsStopped;

    /// <summary>Number of tokens between the tags, tags included.</summary>
    public int ReasoningTokens { get; private set; }

    /// <summary>Takes a token and returns the text that is certain now.</summary>
    public SplitText Append(int id)
    {
        var before = Part;
        string text = _text.Append(id);
        var parts = _splitter?.Append(text) ?? new SplitText(string.Empty, text);
        if (before == OutputPart.Reasoning || Part == OutputPart.Reasoning)
        {
            ReasoningTokens++;
        }

        return parts;
    }

    /// <summary>Ends the reply and returns what was held back.</summary>
    public SplitText End()
    {
        string rest = _text.End();
        if (_splitter is null)
        {
            return new SplitText(string.Empty, rest);
        }

        var last = _splitter.Append(rest);
        var held = _splitter.Flush();
        return new SplitText(last.Reasoning + held.Reasoning, last.Content + held.Content);
    }

    /// <summary>Tags that are single control tokens, as in vocabularies made for them.</summary>
    private static HashSet<int> TagTokens(Tokenizer tokenizer) =>
    [
        .. ((int?[])[tokenizer.TokenId(ReasoningSplitter.OpenTag), tokenizer.TokenId(ReasoningSplitter.CloseTag)])
            .OfType<int>(),
    ];

    /// <summary>Whether a template has written the open tag at the end of the prompt.</summary>
    private static bool EndsOpen(Tokenizer tokenizer, ReadOnlySpan<int> prompt)
    {
        const int LongestTagWithSpace = 16;
        var end = prompt[Math.Max(0, prompt.Length - LongestTagWithSpace)..];
        return tokenizer.Decode(end, skipSpecialTokens: false).TrimEnd()
            .EndsWith(ReasoningSplitter.OpenTag, StringComparison.Ordinal);
    }
}
