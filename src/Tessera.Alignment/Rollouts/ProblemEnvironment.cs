using System.Globalization;
using Tessera.Alignment.Rewards;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Alignment.Rollouts;

/// <summary>Generated problems as prompts. A name is the problem's index and the mode: <c>17/on</c>.</summary>
/// <param name="problems">Where problems come from.</param>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="encode">The tokens of a prompt, up to where the model begins to write.</param>
/// <param name="penalty">Penalty for length.</param>
public sealed class ProblemEnvironment(
    ProblemSource problems, Tokenizer tokenizer, Func<Problem, ThinkingMode, int[]> encode, OverlongPenalty penalty) : IRolloutEnvironment
{
    // A run of this many problems in a row that were seen before means that there are no others.
    private const int MostRepeats = 2000;

    /// <summary>Names of the first problems with different questions, each in every mode.</summary>
    /// <param name="count">How many names.</param>
    /// <param name="modes">The modes, in the order of the names of a problem.</param>
    /// <exception cref="ArgumentException">There are not so many different problems.</exception>
    public IReadOnlyList<string> Names(int count, IReadOnlyList<ThinkingMode> modes)
    {
        var names = new List<string>(count);
        var seen = new HashSet<(string, string)>();
        int repeats = 0;
        for (long index = 0; names.Count < count; index++)
        {
            var problem = problems.Create(index);
            if (!seen.Add((problem.Task, problem.Question)))
            {
                if (++repeats == MostRepeats)
                {
                    throw new ArgumentException(
                        $"the tasks and levels asked for hold {names.Count} different prompts, {count} are needed: ask for more levels, or fewer prompts");
                }

                continue;
            }

            repeats = 0;
            names.AddRange(modes.Select(mode => Name(index, mode)).Take(count - names.Count));
        }

        return names;
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
        return new RolloutPrompt(id, $"{problem.Task}.{(mode == ThinkingMode.On ? "on" : "off")}", encode(problem, mode));
    }

    /// <inheritdoc />
    public string Text(SampledResponse response) => tokenizer.Decode(response.Content, skipSpecialTokens: false);

    /// <inheritdoc />
    public Reward Judge(string id, SampledResponse response, string text)
    {
        var (problem, mode) = Find(id);
        return ProblemReward.Of(problem, mode, text, response.IsFinished, response.Ids.Length, penalty);
    }

    private static string Name(long index, ThinkingMode mode) =>
        string.Create(CultureInfo.InvariantCulture, $"{index}/{(mode == ThinkingMode.On ? "on" : "off")}");
}
