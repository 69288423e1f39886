using Tessera.Models.Tokenizers;

namespace Tessera.Inference.Chat;

/// <summary>Ends a sequence where one of several texts has occurred in it, however tokens divide that text.</summary>
/// <param name="tokenizer">Gives the tokens' text.</param>
/// <param name="prompt">Ids in front of the sequence.</param>
/// <param name="stops">The texts; none may be empty.</param>
/// <param name="readsTags">Whether the text of reasoning tags counts where they are control tokens, as in <see cref="ReplyText"/>.</param>
public sealed class StopTexts(Tokenizer tokenizer, ReadOnlySpan<int> prompt, IReadOnlyList<string> stops, bool readsTags = true)
    : SequenceGuide
{
    private readonly ReplyText _text = new(tokenizer, prompt, stops, readsTags);

    /// <inheritdoc />
    public override GuideVerdict Observe(int token)
    {
        _text.Append(token);
        return new GuideVerdict(_text.IsStopped);
    }
}
