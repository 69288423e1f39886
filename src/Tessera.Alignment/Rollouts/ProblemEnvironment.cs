using System.Globalization;
using Tessera.Alignment.Rewards;
using Tessera.Evaluation.Problems;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Alignment.Rollouts;

/// <summary>Generated problems as prompts. A name is the problem's index and the mode: <c>17/on</c>.</summary>
/// <param name="problems">Where problems come from.</param>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="prompts">How problems are put to the model.</param>
/// <param name="penalty">Penalty for length.</param>
public sealed class ProblemEnvironment(
    ProblemSource problems, Tokenizer tokenizer, ProblemPrompts prompts, OverlongPenalty penalty) : IRolloutEnvironment
{
    /// <summary>Names of the first problems with different questions, each in every mode.</summary>
    /// <param name="count">How many names.</param>
    /// <param name="modes">The modes, in the order of the names of a problem.</param>
    /// <exception cref="ArgumentException">There are not so many different problems.</exception>
    public IReadOnlyList<string> Names(int count, IReadOnlyList<ThinkingMode> modes)
    {
        int needed = (count + modes.Count - 1) / modes.Count;
        return [.. problems.Distinct(needed).SelectMany(item => modes.Select(mode => Name(item.Index, mode))).Take(count)];
    }

    /// <summary>The problem and the mode of a name.</summary>
    /// <exception cref="InvalidDataException">It is no such name.</exception>
    public (Problem Problem, ThinkingMode Mode) Find(string id)
    {
        string[] parts = id.Split('/');
        return parts.Length == 2 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long index)
            && parts[1] is "on" or "off"
            ? (problems.Create(index), parts[1] == "on" ? ThinkingMode.On : ThinkingMode.Off)
            : throw new InvalidDataException($"prompt '{id}': expected the number of a problem and its mode, such as 17/on");
    }

    /// <inheritdoc />
    public RolloutPrompt Prompt(string id)
    {
        var (problem, mode) = Find(id);
        return new RolloutPrompt(
            id, $"{problem.Task}.{(mode == ThinkingMode.On ? "on" : "off")}", prompts.Encode(problem, prompts.ModeOf(mode)));
    }

    /// <inheritdoc />
    public string Text(SampledResponse response) => tokenizer.Decode(response.Content, skipSpecialTokens: false);

    /// <inheritdoc />
    public Reward Judge(string id, SampledResponse response, string text)
    {
        var (problem, mode) = Find(id);
        return ProblemReward.Of(
            problem, mode, prompts.Completion(Prompt(id).Ids, text), response.IsFinished, response.Ids.Length, penalty);
    }

    private static string Name(long index, ThinkingMode mode) =>
        string.Create(CultureInfo.InvariantCulture, $"{index}/{(mode == ThinkingMode.On ? "on" : "off")}");
}
