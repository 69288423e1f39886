using Tessera.Inference;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Evaluation.Problems;

/// <summary>Lets a model try problems and verifies its answers.</summary>
/// <param name="generator">The model.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="prompts">How problems are put to it.</param>
/// <param name="stopIds">Tokens that end an answer.</param>
public sealed class ProblemSampler(Generator generator, Tokenizer tokenizer, ProblemPrompts prompts, IReadOnlyList<int> stopIds)
{
    /// <summary>Draws samples of some problems of a set.</summary>
    /// <remarks>
    /// The seed of a sample is a function of the settings' seed, the problem's number and the sample's, so two models draw with
    /// the same noise and a set can be taken in parts.
    /// </remarks>
    /// <param name="problems">Numbers and problems.</param>
    /// <param name="mode">How to put them.</param>
    /// <param name="samples">Attempts a problem.</param>
    /// <param name="settings">How to choose tokens; stop tokens are added.</param>
    /// <param name="guide">Makes the guide of an attempt behind a prompt, or null for none.</param>
    /// <param name="onSample">Called with every attempt as it ends, if not null.</param>
    /// <returns>The attempts in order of problem and number.</returns>
    public IReadOnlyList<ProblemSample> Sample(
        IReadOnlyList<(int Index, Problem Problem)> problems, PromptMode mode, int samples, GenerationSettings settings,
        Func<int[], SequenceGuide>? guide = null, Action<ProblemSample>? onSample = null)
    {
        var requests = new GenerationRequest[problems.Count * samples];
        for (int i = 0; i < requests.Length; i++)
        {
            var (index, problem) = problems[i / samples];
            ulong seed = GenerationSettings.SequenceSeed(settings.Seed, (ulong)index);
            int[] prompt = prompts.Encode(problem, mode);
            requests[i] = new GenerationRequest(prompt, settings with
            {
                Seed = GenerationSettings.SequenceSeed(seed, (ulong)(i % samples)),
                StopIds = stopIds,
            }, guide?.Invoke(prompt));
        }

        var ids = requests.Select(_ => new List<int>()).ToArray();
        var results = new ProblemSample[requests.Length];
        generator.Generate(requests, (i, item) =>
        {
            if (item.Finish != FinishReason.Stop)
            {
                ids[i].Add(item.Token);
            }

            if (item.Finish is { } reason)
            {
                var (index, problem) = problems[i / samples];
                results[i] = Verify(index, problem, mode, i % samples, requests[i].Prompt, ids[i], reason);
                onSample?.Invoke(results[i]);
            }
        });
        return results;
    }

    private ProblemSample Verify(
        int index, Problem problem, PromptMode mode, int number, int[] prompt, List<int> ids, FinishReason reason)
    {
        string text = prompts.Completion(prompt, tokenizer.Decode([.. ids], skipSpecialTokens: false));
        bool truncated = reason == FinishReason.Length;
        string? answer = mode == PromptMode.Plain ? AnswerExtractor.Extract(text) : ThinkingFormat.Answer(text);
        return new ProblemSample(
            index, mode, number, problem.Task, problem.Level, problem.Question, problem.Answer, text, answer,
            answer is not null && !truncated && TaskCatalog.Get(problem.Task).Verify(problem, answer),
            mode == PromptMode.Plain || ThinkingFormat.IsObeyed(text, mode == PromptMode.On ? ThinkingMode.On : ThinkingMode.Off),
            truncated, ids.Count + (reason == FinishReason.Stop ? 1 : 0));
    }
}
