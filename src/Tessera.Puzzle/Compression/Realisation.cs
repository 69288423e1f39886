using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
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
            PredictedDivergence = candidate.Choice.Select((index, layer) => scores.Score(layer, table.Variants[layer][index]).Mean).Sum(),
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

    private Decoder Assemble(NamedChoice candidate) => library.Assemble(table.Configuration(candidate.Choice));

    /// <summary>Median times of all candidates.</summary>
    private ScenarioTime[] MeasureTimes(IReadOnlyList<NamedChoice> candidates)
    {
        var models = candidates.Select(candidate =>
        {
            using var assembled = Assemble(candidate);
            return ModelFolder.Convert(assembled, settings.Scenario.Type);
        }).ToList();
        try
        {
            return [.. ModelTimes.Sample(device, settings.Scenario, models, (2 * settings.CostRounds) + 1).Select(ModelTimes.Median)];
        }
        finally
        {
            models.ForEach(model => model.Dispose());
        }
    }

    private List<Estimate> Divergences(
        string set, IReadOnlyList<PackedBatch> batches, IReadOnlyList<NamedChoice> candidates, RecordedTable record)
    {
        using var activations = new ParentActivations(device, inputs.Parent, batches);
        using var scorer = new ReplaceOneScorer(device, activations);
        return [.. candidates.Select(candidate => record.GetOrAdd($"{set}/{candidate.Name}", PuzzleJson.Default.Estimate, () =>
        {
            using var model = Assemble(candidate);
            return scorer.Score(model, 0);
        }))];
    }

    private int[] Accuracy(NamedChoice candidate, RecordedTable record)
    {
        if (inputs.Accuracy is not { } measure)
        {
            return [0, 0];
        }

        return record.GetOrAdd($"accuracy/{candidate.Name}", PuzzleJson.Default.Int32Array, () =>
        {
            using var assembled = Assemble(candidate);
            using var model = ModelFolder.Convert(assembled, settings.Scenario.Type);
            var accuracy = measure(model);
            return [accuracy.Correct, accuracy.Count];
        });
    }
}
