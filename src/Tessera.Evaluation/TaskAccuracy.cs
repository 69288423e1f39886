using Tessera.Evaluation.Problems;
using Tessera.Inference;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Evaluation;

/// <summary>How many problems of a set a model solves.</summary>
/// <param name="Correct">Right answers.</param>
/// <param name="Count">Problems.</param>
/// <param name="ByTask">The same for every task and level.</param>
public sealed record AccuracyResult(int Correct, int Count, IReadOnlyDictionary<string, (int Correct, int Count)> ByTask)
{
    /// <summary>Share of right answers.</summary>
    public double Accuracy => Count == 0 ? 0 : (double)Correct / Count;

    /// <summary>Binomial standard error of <see cref="Accuracy"/>.</summary>
    public double StandardError => Count == 0 ? 0 : Math.Sqrt(Accuracy * (1 - Accuracy) / Count);
}

/// <summary>A problem with the model's continuation and the verdict on it.</summary>
public sealed record ScoredSample(Problem Problem, string Completion, string? Answer, bool IsCorrect);

/// <summary>Lets a model solve problems in plain text and verifies its final answers.</summary>
public static class TaskAccuracy
{
    private const int ProblemsAtOnce = 256;
    private const int MaxAnswerTokens = 256;

    /// <summary>Solves problems greedily, as <see cref="ProblemSampler"/> does in <see cref="PromptMode.Plain"/>.</summary>
    /// <param name="generator">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="beginIds">Tokens in front of every prompt.</param>
    /// <param name="stopIds">Tokens that end an answer.</param>
    /// <param name="problems">Unseen problems.</param>
    /// <param name="onSample">Called with every sample, in order, if not null.</param>
    public static AccuracyResult Measure(
        Generator generator, Tokenizer tokenizer, IReadOnlyList<int> beginIds, IReadOnlyList<int> stopIds, IReadOnlyList<Problem> problems,
        Action<ScoredSample>? onSample = null)
    {
        var sampler = new ProblemSampler(generator, tokenizer, new ProblemPrompts(tokenizer, beginIds, null), stopIds);
        var byTask = new SortedDictionary<string, (int Correct, int Count)>(StringComparer.Ordinal);
        int correct = 0;
        foreach (var group in problems.Select((problem, i) => (Index: i, Problem: problem)).Chunk(ProblemsAtOnce))
        {
            foreach (var sample in sampler.Sample(group, PromptMode.Plain, 1, new GenerationSettings { MaxNewTokens = MaxAnswerTokens }))
            {
                string key = $"{sample.Task} {sample.Level}";
                var (c, n) = byTask.GetValueOrDefault(key);
                byTask[key] = (c + (sample.IsCorrect ? 1 : 0), n + 1);
                correct += sample.IsCorrect ? 1 : 0;
                onSample?.Invoke(new ScoredSample(problems[sample.Index], sample.Completion, sample.Answer, sample.IsCorrect));
            }
        }

        return new AccuracyResult(correct, problems.Count, byTask);
    }
}
