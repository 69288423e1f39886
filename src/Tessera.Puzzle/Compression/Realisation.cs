using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Compression;

/// <summary>Assembles parent, child and baselines, and holds what they really do against what was predicted.</summary>
internal sealed class Realisation(
    Device device, CompressionInputs inputs, CompressionSettings settings, BlockLibrary library, ChoiceTable table)
{
    /// <summary>Results of every candidate; measurements are recorded and reused.</summary>
    public IReadOnlyList<CandidateResult> Run(IReadOnlyList<NamedChoice> candidates, ScoreTable scores, string recordPath)
    {
        using var record = RecordedTable.Open(recordPath);
        var measured = record.GetOrAdd("times", PuzzleJson.Default.ScenarioTimeArray, () => MeasureTimes(candidates));
        var scoring = Divergences("scoring", inputs.Scoring, candidates, record);
        var heldOut = Divergences("held-out", inputs.HeldOut, candidates, record);
        var results = new List<CandidateResult>();
        for (int i = 0; i < candidates.Count; i++)
        {
            results.Add(Result(candidates[i], scores, measured[i], (scoring[i], heldOut[i]), record));
        }

        return results;
    }

    private CandidateResult Result(
        NamedChoice candidate, ScoreTable scores, ScenarioTime time, (Estimate Scoring, Estimate HeldOut) divergence, RecordedTable record)
    {
        var configuration = table.Configuration(candidate.Choice);
        var predicted = table.Total(candidate.Choice);
        var accuracy = Accuracy(candidate, record);
        return new CandidateResult
        {
            Name = candidate.Name,
            Layers = [.. candidate.Choice.Select((index, layer) => table.Variants[layer][index].Label)],
            Parameters = configuration.ParameterCount,
            KvBytesPerToken = configuration.KvBytesPerToken(settings.Scenario.Type),
            PredictedDivergence = candidate.Choice.Select((index, layer) => scores.Divergence(layer, table.Variants[layer][index]).Mean).Sum(),
            ScoringDivergence = divergence.Scoring,
            HeldOutDivergence = divergence.HeldOut,
            PredictedDecodeSeconds = predicted.DecodeSeconds,
            DecodeSeconds = time.DecodeSeconds,
            PredictedPrefillSeconds = predicted.PrefillSeconds,
            PrefillSeconds = time.PrefillSeconds,
            Correct = accuracy[0],
            Problems = accuracy[1],
        };
    }

    private ModelParts Parts(NamedChoice candidate) => library.Child(table.Configuration(candidate.Choice));

    /// <summary>
    /// Median times of all candidates. A child shares with the parent beside it all but the halves that differ; of these so many are in
    /// memory at a time as make up a second parent, and the parent takes its turn with each such group.
    /// </summary>
    private ScenarioTime[] MeasureTimes(IReadOnlyList<NamedChoice> candidates)
    {
        var assembly = new ModelAssembly(device, settings.Scenario.Type);
        using var parent = assembly.Load(Parts(candidates[0]));
        var samples = candidates.Select(_ => new List<ScenarioTime>()).ToList();
        foreach (var group in Groups(candidates))
        {
            var models = group.Select(index => assembly.LoadBeside(parent, Parts(candidates[index]))).ToList();
            try
            {
                var times = ModelTimes.Sample(device, settings.Scenario, [parent, .. models], (2 * settings.CostRounds) + 1);
                samples[0].AddRange(times[0]);
                for (int i = 0; i < group.Count; i++)
                {
                    samples[group[i]].AddRange(times[i + 1]);
                }
            }
            finally
            {
                models.ForEach(model => model.Dispose());
            }
        }

        return [.. samples.Select(list => ModelTimes.Median([.. list]))];
    }

    /// <summary>Candidates but the first, so grouped that what a group's differ in from the first takes no more than the first; a first group is always there.</summary>
    private List<List<int>> Groups(IReadOnlyList<NamedChoice> candidates)
    {
        long parent = table.Configuration(candidates[0].Choice).ParameterCount, taken = 0;
        List<List<int>> groups = [[]];
        for (int i = 1; i < candidates.Count; i++)
        {
            long own = OwnParameters(table.Configuration(candidates[0].Choice), table.Configuration(candidates[i].Choice));
            if (taken + own > parent && groups[^1].Count > 0)
            {
                groups.Add([]);
                taken = 0;
            }

            groups[^1].Add(i);
            taken += own;
        }

        return groups;
    }

    private static long OwnParameters(ModelConfiguration parent, ModelConfiguration child)
    {
        long own = 0;
        for (int i = 0; i < child.Layers.Length; i++)
        {
            own += child.Layers[i].Mixer == parent.Layers[i].Mixer ? 0 : child.MixerParameterCount(i);
            own += child.Layers[i].FeedForward == parent.Layers[i].FeedForward ? 0 : child.FeedForwardParameterCount(i);
        }

        return own;
    }

    private List<Estimate> Divergences(
        string set, IReadOnlyList<PackedBatch> batches, IReadOnlyList<NamedChoice> candidates, RecordedTable record)
    {
        var missing = candidates.Where(candidate => !record.TryGet($"{set}/{candidate.Name}", out _)).ToList();
        if (missing.Count > 0)
        {
            using var steps = new CalibrationSteps(device, batches);
            var scores = new ModelScorer(device, inputs.Parent.Parts, steps, settings.Memory).Score([.. missing.Select(Parts)]);
            foreach (var (candidate, score) in missing.Zip(scores))
            {
                record.GetOrAdd($"{set}/{candidate.Name}", PuzzleJson.Default.Estimate, () => score);
            }
        }

        return [.. candidates.Select(candidate => record.GetOrAdd<Estimate>(
            $"{set}/{candidate.Name}", PuzzleJson.Default.Estimate, () => throw new InvalidOperationException("it was recorded before")))];
    }

    private int[] Accuracy(NamedChoice candidate, RecordedTable record)
    {
        if (inputs.Accuracy is not { } measure)
        {
            return [0, 0];
        }

        return record.GetOrAdd($"accuracy/{candidate.Name}", PuzzleJson.Default.Int32Array, () =>
        {
            using var model = new ModelAssembly(device, settings.Scenario.Type).Load(Parts(candidate));
            var accuracy = measure(model);
            return [accuracy.Correct, accuracy.Count];
        });
    }
}
