using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tests.Tables;

/// <summary>Several kinds of scores in one file, of which the search minimises one.</summary>
public sealed class TableScoresTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-kinds").FullName;

    [Fact]
    public void Kinds_are_read_as_they_were_written_and_the_search_minimises_the_chosen_one()
    {
        var tables = WithKinds(SampleTables.Create(7));
        string path = Path.Combine(_folder, "tables.json");
        SearchTablesWriter.Write(path, tables);
        var read = SearchTablesReader.Read(path);
        Assert.Equal("kl", read.ScoreKind);
        Assert.Equal([true, false], read.Layers[0].Variants.Take(2).Select(variant => variant.IsRacedOut));
        SearchTablesWriter.Write(Path.Combine(_folder, "again.json"), read);
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(_folder, "again.json")));

        var settings = new TableSearchSettings { Targets = [Target.Parse("parameters<=60%")] };
        var own = TableSearch.Run(read, settings).Chosen.Best!;
        Assert.Equal(own.Choice, TableSearch.Run(TableScores.Choose(read, "kl", path), settings).Chosen.Best!.Choice);

        // Whatever else is scored: the other kind's best is no worse than this one's by it, and here better.
        var other = TableScores.Choose(read, "lm-loss", path);
        var best = TableSearch.Run(other, settings).Chosen.Best!;
        double ByOther(IReadOnlyList<int> choice) => choice.Select((index, layer) => other.Layers[layer].Variants[index].Score).Sum();
        Assert.Equal(ByOther(best.Choice), best.Score, 1e-12);
        Assert.True(ByOther(best.Choice) < ByOther(own.Choice));
        Assert.Equal("cross entropy of the parent with one layer replaced minus the parent's, nats a token", other.ScoreName);
        Assert.All(other.Layers[1].Variants, variant => Assert.Equal(0.02, variant.StandardError));
    }

    [Fact]
    public void A_kind_that_is_not_there_is_refused_with_those_that_are()
    {
        var error = Assert.Throws<InvalidDataException>(() => TableScores.Choose(WithKinds(SampleTables.Create(1)), "hidden", "tables.json"));
        Assert.Equal("tables.json: layer 0, 'kv4 ffn512' has no score of the kind hidden, expected kl or lm-loss", error.Message);
        error = Assert.Throws<InvalidDataException>(() => TableScores.Choose(SampleTables.Create(1), "kl", "tables.json"));
        Assert.Contains("one kind alone", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static SearchTables WithKinds(SearchTables tables)
    {
        var random = new Random(3);
        return tables with
        {
            ScoreKind = "kl",
            Layers = [.. tables.Layers.Select(layer => layer with
            {
                Variants = [.. layer.Variants.Select((variant, index) => variant with
                {
                    Scores = new Dictionary<string, TableScore>
                    {
                        ["kl"] = new(variant.Score, variant.StandardError),
                        ["lm-loss"] = new(variant.Score == 0 ? 0 : random.NextDouble() - 0.2, 0.02),
                    },
                    IsRacedOut = index % 3 == 0,
                })],
            })],
        };
    }
}
