using Tessera.Tasks;

namespace Tessera.Alignment.Rewards;

/// <summary>Reward of one response with its parts.</summary>
/// <param name="Accuracy">1 for a right answer, else 0.</param>
/// <param name="Format">1 if the form was kept, else 0.</param>
/// <param name="IsFinished">False for a response that was cut off at the limit: it earns nothing.</param>
/// <param name="LengthPenalty">Added to the product, at most 0.</param>
public readonly record struct Reward(double Accuracy, double Format, bool IsFinished, double LengthPenalty)
{
    /// <summary>accuracy · format, 0 for an unfinished response, plus the length's penalty.</summary>
    public double Total => (IsFinished ? Accuracy * Format : 0) + LengthPenalty;
}

/// <summary>Rewards of responses to generated problems.</summary>
public static class ProblemReward
{
    /// <summary>Verifies form and answer of a response.</summary>
    /// <param name="problem">What was asked.</param>
    /// <param name="mode">Whether reasoning was asked for.</param>
    /// <param name="response">What the model wrote, special tokens included, without the end of turn.</param>
    /// <param name="isFinished">Whether it ended by itself.</param>
    /// <param name="tokens">Its tokens, for the length's penalty.</param>
    /// <param name="penalty">The length's penalty.</param>
    public static Reward Of(Problem problem, ThinkingMode mode, string response, bool isFinished, int tokens, OverlongPenalty penalty) =>
        new(IsRight(problem, response) ? 1 : 0, ThinkingFormat.IsObeyed(response, mode) ? 1 : 0, isFinished, penalty.Of(tokens));

    private static bool IsRight(Problem problem, string response) =>
        ThinkingFormat.Answer(response) is { } answer && TaskCatalog.Get(problem.Task).Verify(problem, answer);
}
