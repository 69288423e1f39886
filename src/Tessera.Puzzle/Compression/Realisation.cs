using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs;

namespace Tessera.Puzzle.Compression;

/// <summary>Assembles parent, child and baselines, and holds what they really do against what was predicted.</summary>
internal sealed class Realisation(
    Device device, CompressionInputs inputs, CompressionSettings settings, BlockLibrary library, ChoiceTable table)
{
    /// <summary>Results of every candidate; measurements are recorded and reused.</summary>
    public IReadOnlyList<CandidateResult> Run(SearchOutcome outcome, ScoreTable scores, string recordPath)
    {
        using var record = RecordedTable.Open(recordPath);
        if (!record.TryGet("times", out _))
        {
            var times = MeasureTimes(outcome.Candidates);
            record.GetOrAdd("times", PuzzleJson.Default.ScenarioTimeArray, () => times);
        }

        var measured = record.GetOrAdd("times", PuzzleJson.Default.ScenarioTimeArray, () => throw new InvalidOperationException());
        var divergences = Divergences(outcome.Candidates, record);
        var results = new List<CandidateResult>();
        for (int i = 0; i < outcome.Candidates.Count; i++)
        {
            results.Add(Result(outcome.Candidates[i], scores, measured[i], divergences[i], record));
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

    /// <summary>Median times, the candidates taken in turn so that a slow moment falls on all of them.</summary>
    private ScenarioTime[] MeasureTimes(List<NamedChoice> candidates)
    {
        const int Warmup = 2;
        int rounds = (2 * settings.CostRounds) + 1;
        using var meter = new ScenarioMeter(device, settings.Scenario);
        var models = candidates.Select(candidate =>
        {
            using var assembled = Assemble(candidate);
            return ModelFolder.Convert(assembled, settings.Scenario.Type);
        }).ToList();
        try
        {
            var samples = models.Select(_ => new List<ScenarioTime>()).ToList();
            for (int round = 0; round < rounds + Warmup; round++)
            {
                for (int i = 0; i < models.Count; i++)
                {
                    var time = meter.Measure(models[i]);
                    if (round >= Warmup)
                    {
                        samples[i].Add(time);
                    }
                }
            }

            return [.. samples.Select(list => new ScenarioTime(
                list.Select(time => time.PrefillSeconds).Order().ElementAt(rounds / 2),
                list.Select(time => time.DecodeSeconds).Order().ElementAt(rounds / 2)))];
        }
        finally
        {
            models.ForEach(model => model.Dispose());
        }
    }

    private List<(Estimate Scoring, Estimate HeldOut)> Divergences(List<NamedChoice> candidates, RecordedTable record)
    {
        var results = new List<(Estimate Scoring, Estimate HeldOut)>();
        using var scoring = new ParentActivations(device, inputs.Parent, inputs.Scoring);
        using var heldOut = new ParentActivations(device, inputs.Parent, inputs.HeldOut);
        using var scoringScorer = new ReplaceOneScorer(device, scoring);
        using var heldOutScorer = new ReplaceOneScorer(device, heldOut);
        foreach (var candidate in candidates)
        {
            using var model = Assemble(candidate);
            results.Add((
                record.GetOrAdd($"scoring/{candidate.Name}", PuzzleJson.Default.Estimate, () => scoringScorer.Score(model, 0)),
                record.GetOrAdd($"held-out/{candidate.Name}", PuzzleJson.Default.Estimate, () => heldOutScorer.Score(model, 0))));
        }

        return results;
    }

    private int[] Accuracy(NamedChoice candidate, RecordedTable record)
    {
        // Baselines are compared by KL before healing; accuracy is asked of the parent and the child alone.
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
