using Tessera.Alignment.Advantages;
using Tessera.Alignment.Rewards;
using Tessera.Inference;

namespace Tessera.Alignment.Rollouts;

/// <summary>Draws, judges and compares the responses of a step.</summary>
/// <param name="sampler">Draws responses.</param>
/// <param name="environment">Prompts and verdicts.</param>
/// <param name="rewards">Verdicts given before.</param>
public sealed class RolloutCollector(IResponseSampler sampler, IRolloutEnvironment environment, RewardLog rewards)
{
    /// <summary>The seed of a sample, a function of its place alone.</summary>
    public static ulong SampleSeed(ulong seed, int step, int prompt, int sample) => GenerationSettings.SequenceSeed(
        GenerationSettings.SequenceSeed(GenerationSettings.SequenceSeed(seed, (ulong)step), (ulong)prompt), (ulong)sample);

    /// <summary>The rollout of a step.</summary>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="ids">Names of the prompts.</param>
    /// <param name="samples">G, responses a prompt.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="estimator">How rewards become advantages.</param>
    /// <exception cref="InvalidDataException">Recorded rewards do not belong to these responses.</exception>
    public RolloutBatch Collect(int step, IReadOnlyList<string> ids, int samples, ulong seed, AdvantageEstimator estimator)
    {
        RolloutPrompt[] prompts = [.. ids.Select(environment.Prompt)];
        var responses = sampler.Sample(
        [
            .. prompts.SelectMany((prompt, number) => Enumerable.Range(0, samples).Select(
                sample => new SampleRequest(prompt.Ids, SampleSeed(seed, step, number, sample)))),
        ]);
        var groups = new RolloutGroup[prompts.Length];
        for (int number = 0; number < groups.Length; number++)
        {
            var prompt = prompts[number];
            SampledResponse[] own = [.. responses.Skip(number * samples).Take(samples)];
            Reward[] given = rewards.GetOrJudge(
                step, number, prompt.Id, own, response => environment.Judge(prompt.Id, response, environment.Text(response)));
            groups[number] = RolloutGroup.Of(
                prompt, [.. own.Select((response, i) => new JudgedResponse(response, environment.Text(response), given[i]))], estimator);
        }

        return new RolloutBatch(step, groups);
    }
}
