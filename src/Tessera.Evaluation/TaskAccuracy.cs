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

/// <summary>Lets a model solve problems and verifies its final answers.</summary>
public static class TaskAccuracy
{
    private const int ProblemsAtOnce = 256;
    private const int MaxAnswerTokens = 224;

    /// <summary>Solves problems greedily.</summary>
    /// <param name="generator">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="beginId">Token in front of every prompt, or null.</param>
    /// <param name="stopIds">Tokens that end an answer.</param>
    /// <param name="problems">Unseen problems.</param>
    /// <param name="onSample">Called with every sample, if not null.</param>
    public static AccuracyResult Measure(
        Generator generator, Tokenizer tokenizer, int? beginId, IReadOnlyList<int> stopIds, IReadOnlyList<Problem> problems,
        Action<ScoredSample>? onSample = null)
    {
        var byTask = new SortedDictionary<string, (int Correct, int Count)>(StringComparer.Ordinal);
        int correct = 0;
        foreach (var chunk in problems.Chunk(ProblemsAtOnce))
        {
            var prompts = chunk.Select(problem => Prompt(tokenizer, problem, beginId)).ToArray();
            var outputs = generator.Generate(
                prompts, new GenerationSettings { MaxNewTokens = MaxAnswerTokens, StopIds = stopIds });
            for (int i = 0; i < chunk.Length; i++)
            {
                string text = tokenizer.Decode(outputs[i].Ids, skipSpecialTokens: true);
                string? answer = AnswerExtractor.Extract(text);
                bool right = answer is not null && TaskCatalog.Get(chunk[i].Task).Verify(chunk[i], answer);
                string key = $"{chunk[i].Task} {chunk[i].Level}";
                var (c, n) = byTask.GetValueOrDefault(key);
                byTask[key] = (c + (right ? 1 : 0), n + 1);
                correct += right ? 1 : 0;
                onSample?.Invoke(new ScoredSample(chunk[i], text, answer, right));
            }
        }

        return new AccuracyResult(correct, problems.Count, byTask);
    }

    private static int[] Prompt(Tokenizer tokenizer, Problem problem, int? beginId)
    {
        int[] ids = tokenizer.Encode(problem.Prompt, addSpecialTokens: false);
        return beginId is { } begin ? [begin, .. ids] : ids;
    }
}
