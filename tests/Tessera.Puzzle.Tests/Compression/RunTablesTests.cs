using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Training;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>What a compression leaves for later searches.</summary>
public sealed class RunTablesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-run-tables-").FullName;

    [Fact]
    public void A_search_in_the_tables_of_a_run_repeats_its_choice_and_filters_hold_in_both()
    {
        string[] targets = ["parameters<=70%", "kv<=70%", "attention-layers>=1"];
        var filter = new VariantFilter([VariantSelector.Parse("1-2", "--pin")], [VariantSelector.Parse("ffn:linear", "--exclude")], LoadableForm.Parse("llama"));
        var run = Compress(targets, filter);
        var child = run.Candidates[1];
        Assert.Equal(["kv4 ffn48", "kv4 ffn48"], child.Layers.Skip(1));
        Assert.DoesNotContain(child.Layers, label => label.Contains("linear", StringComparison.Ordinal));
        Assert.All(run.Targets, target => Assert.True(target.IsMet, $"{target.Target}: {target.Reached}"));

        var tables = SearchTablesReader.Read(Path.Combine(_folder, "run", "tables.json"));
        Assert.Equal((targets, 0.03), (tables.Targets, tables.Margin), (one, other) => one.Item1.SequenceEqual(other.Item1) && one.Item2 == other.Item2);
        Assert.Equal((["1-2"], ["ffn:linear"]), (tables.Pins, tables.Exclusions), (one, other) => one.Item1.SequenceEqual(other.Item1) && one.Item2.SequenceEqual(other.Item2));
        var settings = new TableSearchSettings { Targets = [.. targets.Select(text => Target.Parse(text))], Filter = filter, Margin = tables.Margin };
        var best = TableSearch.Run(tables, settings).Chosen.Best!;
        Assert.Equal(child.Layers, best.Variants.Select(variant => variant.Label));
        Assert.Equal(child.PredictedDivergence, best.Score, 1e-12);
        Assert.Equal(child.PredictedDecodeSeconds, best.Amounts[0].DecodeSeconds, 1e-12);
        Assert.Equal(run.LowerBound, best.Certificate!.LowerBound, 1e-12);

        // The page is made of the run's files, and the result names the stages that it came from.
        string page = File.ReadAllText(Path.Combine(_folder, "run", "report.html"));
        Assert.All(["Summary", "Pareto front", "Predicted against realised", "Provenance"], heading => Assert.Contains($">{heading}</h2>", page, StringComparison.Ordinal));
        Assert.All(run.Stages!.Values, stage => Assert.True(Directory.Exists(Path.Combine(_folder, "run", stage)), stage));
        Assert.Equal(["heal", "library", "measure", "realise", "result", "scores", "search"], run.Stages!.Keys.Order());

        // The filter costs something here, or it would not have been tested.
        var free = TableSearch.Run(tables, settings with { Filter = VariantFilter.None }).Chosen.Best!;
        Assert.True(free.Score < best.Score, $"{free.Score} without the filter, {best.Score} with it");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private CompressionResult Compress(string[] targets, VariantFilter filter)
    {
        string folder = Path.Combine(_folder, "parent");
        using var small = new SmallParent();
        ModelFolder.Save(folder, small.Model, DType.F32);
        using var parent = ParentModel.Open(folder, small.Device);
        var scenario = new ServingScenario(2, 8, 4, DType.F32, 2);
        var pipeline = new CompressionPipeline(
            small.Device,
            new CompressionInputs
            {
                Parent = parent,
                ParentHash = "parent",
                ParentFolder = folder,
                DataHash = "data",
                Calibration = [SmallParent.Batch(1)],
                Scoring = [SmallParent.Batch(3)],
                HeldOut = [SmallParent.Batch(4)],
                Documents = new NoDocuments(),
            },
            new CompressionSettings
            {
                Targets = [.. targets.Select(text => Target.Parse(text))],
                Filter = filter,
                Scenario = scenario,
                BlockDistillation = new BlockDistillationSettings(0, 1e-3),
                Healing = new TrainingSettings
                {
                    Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 0),
                    BatchTokens = 64,
                    MaxLength = 32,
                },
                CostRounds = 1,
            },
            Path.Combine(_folder, "run"),
            "test");
        return pipeline.Run();
    }

    /// <summary>Nothing is healed, so nothing is read.</summary>
    private sealed class NoDocuments : IDocumentSource
    {
        public TokenDocument Get(long index) => throw new InvalidOperationException("no document is needed");
    }
}
