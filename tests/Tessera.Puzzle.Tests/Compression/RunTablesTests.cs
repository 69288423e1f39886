using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;

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
        Assert.All(run.StageFolders!.Values, stage => Assert.True(Directory.Exists(Path.Combine(_folder, "run", stage)), stage));
        Assert.Equal(["heal", "library", "measure", "realise", "result", "scores", "search"], run.StageFolders!.Keys.Order());

        // The filter costs something here, or it would not have been tested.
        var free = TableSearch.Run(tables, settings with { Filter = VariantFilter.None }).Chosen.Best!;
        Assert.True(free.Score < best.Score, $"{free.Score} without the filter, {best.Score} with it");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private CompressionResult Compress(string[] targets, VariantFilter filter) =>
        SmallCompression.Run(_folder, targets, settings => settings with { Filter = filter });
}
