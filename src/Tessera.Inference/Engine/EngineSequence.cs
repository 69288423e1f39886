namespace Tessera.Inference.Engine;

/// <summary>A sequence in an engine: its tokens, and what decides the next one.</summary>
internal sealed class EngineSequence(ScheduledSequence scheduled, int[] prompt, GenerationSettings settings, SequenceGuide? guide)
{
    private readonly Queue<int> _forced = [];

    public ScheduledSequence Scheduled => scheduled;

    public GenerationSettings Settings => settings;

    public int PromptLength => prompt.Length;

    /// <summary>Prompt and chosen tokens.</summary>
    public List<int> Ids { get; } = [.. prompt];

    /// <summary>The next token that the guide has prescribed, or null.</summary>
    public int? TakeForced() => _forced.TryDequeue(out int token) ? token : null;

    /// <summary>Adds a token and tells the guide.</summary>
    /// <returns>Why the sequence ends with it, or null.</returns>
    public FinishReason? Append(int token, int capacity)
    {
        Ids.Add(token);
        Scheduler.Grow(scheduled);
        var verdict = guide?.Observe(token) ?? default;
        foreach (int forced in verdict.Forced ?? [])
        {
            _forced.Enqueue(forced);
        }

        if (verdict.Ends)
        {
            return FinishReason.StopText;
        }

        // The token behind the last position can still be chosen, but not be fed.
        return Ids.Count - prompt.Length >= settings.MaxNewTokens || Ids.Count > capacity ? FinishReason.Length : null;
    }
}
