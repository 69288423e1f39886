namespace Tessera.Inference.Chat;

/// <summary>Several guides over one sequence: it ends when any of them ends it; the first that forces tokens is obeyed.</summary>
/// <param name="guides">The guides; each is told every token.</param>
public sealed class GuideChain(IReadOnlyList<SequenceGuide> guides) : SequenceGuide
{
    /// <inheritdoc />
    public override GuideVerdict Observe(int token)
    {
        bool ends = false;
        IReadOnlyList<int>? forced = null;
        foreach (var guide in guides)
        {
            var verdict = guide.Observe(token);
            ends |= verdict.Ends;
            forced ??= verdict.Forced;
        }

        return new GuideVerdict(ends, forced);
    }
}
