using Tessera.Alignment.Advantages;
using Tessera.Alignment.Rollouts;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Memory;

namespace Tessera.Alignment.Policy;

/// <summary>What the updates of one rollout saw.</summary>
/// <param name="Gap">Engine against trainer, before the first update.</param>
/// <param name="Sums">Over the tokens of all updates.</param>
/// <param name="Loss">Mean of the updates' losses.</param>
/// <param name="GradientNorm">Largest norm before clipping; not finite if one was not, and that update was left out.</param>
/// <param name="LearningRate">Of the last update.</param>
public readonly record struct UpdateReport(LogProbGap Gap, PolicySums Sums, double Loss, double GradientNorm, double LearningRate);

/// <summary>
/// Learns from rollouts: recomputes the log-probabilities of the policy that drew them, then takes some updates with the
/// clipped loss.
/// </summary>
/// <remarks>
/// π_old is recomputed by the trainer over the very micro-batches of the updates; the engine's log-probabilities only measure
/// the gap (and correct for it where asked). The state is that of the <see cref="Training.Optimizer"/>.
/// Source: Shao et al. 2024 (GRPO); Bercovich et al. 2025 for two updates a rollout.
/// </remarks>
public sealed class GrpoTrainer : IDisposable
{
    private readonly Decoder _policy;
    private readonly Decoder? _reference;
    private readonly GrpoSettings _settings;
    private readonly PolicyObjective _objective;
    private readonly Arena _scratch;

    /// <summary>A trainer of all parameters of <paramref name="policy"/>.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="policy">The model, in f32; an engine may draw from it between calls.</param>
    /// <param name="settings">Settings.</param>
    /// <param name="reference">The frozen model that the KL term holds the policy to; needed where its weight is above 0.</param>
    /// <exception cref="ArgumentException">The policy is not in f32, the reference is missing, shares weights or has another vocabulary, or the memory is not there.</exception>
    public GrpoTrainer(Device device, Decoder policy, GrpoSettings settings, Decoder? reference = null)
    {
        Check(policy, settings, reference);
        _policy = policy;
        _settings = settings;
        _reference = settings.Policy.KlWeight > 0 ? reference : null;
        Memory = GrpoMemory.Checked(device, policy, settings, _reference);
        _scratch = device.Scratch;
        _objective = new PolicyObjective(device, settings.Optimisation.Recompute);
        Memory.Reserve(_objective.Arenas);
        Optimizer = new Optimizer(device, policy.Parameters);
    }

    /// <summary>The planned peak of the updates.</summary>
    public MemoryPlan Memory { get; }

    /// <summary>What was planned, to be compared with the plan.</summary>
    public IEnumerable<Arena> Arenas => [.. _objective.Arenas, Optimizer.Arena, _scratch];

    /// <summary>Parameters, gradients, moments, number of updates.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>Takes the updates of a rollout.</summary>
    public UpdateReport Learn(RolloutBatch rollout)
    {
        var updates = Split(rollout);
        foreach (var batch in updates.SelectMany(update => update.Batches))
        {
            Prepare(batch);
        }

        var gap = LogProbGap.Of(updates.SelectMany(update => update.Batches), _settings.GapLow, _settings.GapHigh);
        var sums = default(PolicySums);
        double loss = 0, largestNorm = 0, rate = 0;
        foreach (var (batches, normaliser) in updates)
        {
            Optimizer.ClearGradients();
            var update = default(PolicySums);
            foreach (var batch in batches)
            {
                update += _objective.Accumulate(_policy, batch, _settings.Policy, normaliser);
            }

            rate = _settings.Optimisation.Schedule.At(Optimizer.Steps);
            double norm = Optimizer.GradientNorm();
            if (double.IsFinite(norm))
            {
                Optimizer.Update(_settings.Optimisation, rate, norm);
            }

            largestNorm = double.IsFinite(norm) && double.IsFinite(largestNorm) ? Math.Max(largestNorm, norm) : double.NaN;
            loss += update.Loss / normaliser / updates.Count;
            sums += update;
        }

        return new UpdateReport(gap, sums, loss, largestNorm, rate);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _objective.Dispose();
        Optimizer.Dispose();
    }

    private List<(List<PolicyBatch> Batches, double Normaliser)> Split(RolloutBatch rollout)
    {
        var updates = new List<(List<PolicyBatch>, double)>();
        int count = rollout.Groups.Count;
        for (int update = 0; update < _settings.Updates; update++)
        {
            int first = count * update / _settings.Updates, end = count * (update + 1) / _settings.Updates;
            var samples = rollout.Groups.Skip(first).Take(end - first)
                .SelectMany(group => group.Responses.Zip(group.Advantages, (judged, advantage) => (group.Prompt, judged.Response, advantage)))
                .ToList();
            int[] lengths = [.. samples.Select(sample => Counts(sample.Response) ? sample.Response.Ids.Length : 0)];
            var weights = AggregationWeights.Of(_settings.Aggregation, lengths, _settings.MaxNewTokens);
            updates.Add((
                PolicyBatch.Pack(
                    samples.Select((sample, i) => new PolicyResponse(
                        sample.Prompt.Ids, sample.Response.Ids, sample.Response.LogProbs, sample.advantage, weights.TokenWeights[i])),
                    _settings.Optimisation.BatchTokens),
                weights.Normaliser));
        }

        return updates;
    }

    private bool Counts(SampledResponse response) => response.IsFinished || !_settings.MasksTruncated;

    private void Prepare(PolicyBatch batch)
    {
        _objective.LogProbs(_policy, batch, batch.OldLogProbs);
        batch.Corrections = LogProbGap.Corrections(batch, _settings.Correction, _settings.GapLow, _settings.GapHigh);
        if (_reference is not null)
        {
            batch.ReferenceLogProbs = new float[batch.Ids.Length];
            _objective.LogProbs(_reference, batch, batch.ReferenceLogProbs);
        }
    }

    private static void Check(Decoder policy, GrpoSettings settings, Decoder? reference)
    {
        if (policy.Parameters.FirstOrDefault(parameter => parameter.Type != DType.F32) is { } narrow)
        {
            throw new ArgumentException($"parameter {narrow.Name} is stored in {narrow.Type.Label()}, training needs f32");
        }

        if (settings.Policy.KlWeight <= 0)
        {
            return;
        }

        if (reference is null)
        {
            throw new ArgumentException($"the KL term has weight {settings.Policy.KlWeight} and there is no reference model");
        }

        if (reference.Parameters.Intersect(policy.Parameters).FirstOrDefault() is { } shared)
        {
            throw new ArgumentException($"policy and reference share parameter {shared.Name}: give the policy a copy");
        }

        if (reference.Configuration.VocabularySize != policy.Configuration.VocabularySize)
        {
            throw new ArgumentException(
                $"policy and reference have different vocabularies: {policy.Configuration.VocabularySize} and "
                + $"{reference.Configuration.VocabularySize} tokens");
        }
    }
}
