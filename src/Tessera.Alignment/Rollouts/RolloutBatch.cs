using Tessera.Alignment.Advantages;
using Tessera.Alignment.Rewards;

namespace Tessera.Alignment.Rollouts;

/// <summary>A prompt of a rollout.</summary>
/// <param name="Id">Its name in pass rates, plans and records.</param>
/// <param name="Label">What its figures are grouped by: the task, and the mode where there are several.</param>
/// <param name="Ids">Its tokens.</param>
public sealed record RolloutPrompt(string Id, string Label, int[] Ids);

/// <summary>A response with its text and its reward.</summary>
public sealed record JudgedResponse(SampledResponse Response, string Text, Reward Reward);

/// <summary>The responses to one prompt.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Responses">G responses.</param>
/// <param name="Advantages">One for each response.</param>
public sealed record RolloutGroup(RolloutPrompt Prompt, IReadOnlyList<JudgedResponse> Responses, double[] Advantages)
{
    /// <summary>A group whose advantages follow from its rewards.</summary>
    public static RolloutGroup Of(RolloutPrompt prompt, IReadOnlyList<JudgedResponse> responses, AdvantageEstimator estimator) =>
        new(prompt, responses, GroupAdvantage.Of(Rewards(responses), estimator));

    /// <summary>Whether all rewards are equal.</summary>
    public bool IsDead => GroupAdvantage.IsDead(Rewards(Responses));

    private static double[] Rewards(IReadOnlyList<JudgedResponse> responses) => [.. responses.Select(judged => judged.Reward.Total)];
}

/// <summary>Everything that one step learns from.</summary>
/// <param name="Step">Number of the step, from 1.</param>
/// <param name="Groups">The prompts with their responses.</param>
public sealed record RolloutBatch(int Step, IReadOnlyList<RolloutGroup> Groups)
{
    /// <summary>All responses.</summary>
    public IEnumerable<JudgedResponse> Responses => Groups.SelectMany(group => group.Responses);
}

/// <summary>Prompts by name, and verdicts on responses to them.</summary>
public interface IRolloutEnvironment
{
    /// <summary>The prompt of a name.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    RolloutPrompt Prompt(string id);

    /// <summary>The text of a response, special tokens included, without the stop token.</summary>
    string Text(SampledResponse response);

    /// <summary>Verifies a response.</summary>
    Reward Judge(string id, SampledResponse response, string text);
}
