using Tessera.Models.Tokenizers;

namespace Tessera.Inference.Chat;

/// <summary>Closes the reasoning of a reply that has thought for a number of tokens: the next tokens are those of the close tag.</summary>
/// <param name="tokenizer">Gives the tokens' text, and the close tag's tokens.</param>
/// <param name="prompt">Ids in front of the reply.</param>
/// <param name="budget">Tokens between the tags; 0 closes the reasoning as soon as it is opened.</param>
/// <remarks>
/// The tags are told by their text (<see cref="ReasoningSplitter"/>). A reply that never opens its reasoning, or closes it in
/// time, is not touched. A prompt that has opened the reasoning itself is closed behind the first token at the earliest.
/// </remarks>
public sealed class ThinkingBudget(Tokenizer tokenizer, ReadOnlySpan<int> prompt, int budget) : SequenceGuide
{
    private readonly ReplyText _text = new(tokenizer, prompt, []);
    private readonly int[] _close = tokenizer.Encode(ReasoningSplitter.CloseTag, addSpecialTokens: false);
    private int _thought;
    private bool _isSpent;

    /// <inheritdoc />
    public override GuideVerdict Observe(int token)
    {
        bool wasInside = _text.Part == OutputPart.Reasoning;
        _text.Append(token);
        if (_isSpent || _text.Part != OutputPart.Reasoning)
        {
            return default;
        }

        _thought += wasInside ? 1 : 0;
        _isSpent = _thought >= budget;
        return _isSpent ? new GuideVerdict(false, _close) : default;
    }
}
