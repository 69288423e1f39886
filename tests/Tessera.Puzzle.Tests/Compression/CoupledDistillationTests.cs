using System.Text.Json.Nodes;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>Compressions whose library is distilled coupled or hybrid.</summary>
public sealed class CoupledDistillationTests : IDisposable
{
    private static readonly string[] Targets = ["parameters<=70%", "kv<=70%"];
    private readonly SmallParent _small = SmallParent.Of(
        Layer(), new LayerConfiguration(new NoMixerConfiguration(), new SwiGluConfiguration(48)), Layer());

    private readonly CoupledCompression _run;

    public CoupledDistillationTests() => _run = new CoupledCompression(_small);

    [Fact]
    public void Hybrid_trains_the_pairs_of_what_solutions_chose_and_searches_again_with_their_scores()
    {
        var decoupled = _run.Run(Targets, new LibrarySettings(), 4);
        byte[] before = File.ReadAllBytes(Path.Combine(_run.Output, "tables.json"));
        var settings = new LibrarySettings { Mode = DistillationMode.Hybrid, Solutions = 2 };
        var hybrid = _run.Run(Targets, settings, 4);

        // Halves and their scores are those of the decoupled run.
        Assert.Single(_run.Stages("library"));
        Assert.Equal(2, _run.Stages("scores").Length);
        string[] pairs = CoupledCompression.Jobs(Assert.Single(_run.Stages("pairs")), "layer*");
        Assert.InRange(pairs.Length, 2, 20);

        // The decoupled choice is the best of the solutions, so its pairs are among them.
        foreach (var (label, layer) in decoupled.Candidates[1].Layers.Select((label, layer) => (label, layer)))
        {
            string job = $"layer{layer:D3}.{label.Replace(' ', '.')}";
            Assert.True(label == _small.Configuration.Layers[layer].ToString() || label == "none none" || pairs.Contains(job), job);
        }

        var (halves, joined) = (Scores(before), Scores(File.ReadAllBytes(Path.Combine(_run.Output, "tables.json"))));
        Assert.Equal(halves.Keys, joined.Keys);
        Assert.Equal(
            pairs, joined.Where(pair => pair.Value != halves[pair.Key]).Select(pair => pair.Key).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal(
            hybrid.Candidates[1].PredictedDivergence,
            hybrid.Candidates[1].Layers.Select((label, layer) => joined[$"layer{layer:D3}.{label.Replace(' ', '.')}"]).Sum(), 1e-9);

        // Every stage has its own time, and the two scores stand apart.
        Assert.Equal(
            ["measure", "library", "scores", "select", "pairs", "scores", "search", "realise", "heal"], hybrid.Stages!.Select(stage => stage.Stage));
        Assert.Equal(pairs.Length, hybrid.Stages!.Single(stage => stage.Stage == "pairs").Jobs - (_small.Configuration.Layers.Length + 1));
        Assert.All(hybrid.Stages!, stage => Assert.True(stage.Seconds >= stage.JobSeconds - 0.01, $"{stage}"));

        // Started again it changes nothing, and goes back to the other mode as well.
        Assert.Equal(hybrid.Candidates[1].Layers, _run.Run(Targets, settings, 4).Candidates[1].Layers);
        Assert.Equal(decoupled.Candidates[1].ScoringDivergence, _run.Run(Targets, new LibrarySettings(), 4).Candidates[1].ScoringDivergence);
        Assert.Single(_run.Stages("pairs"));
    }

    [Fact]
    public void A_sweep_adds_what_its_limits_would_choose()
    {
        var settings = new LibrarySettings { Mode = DistillationMode.Hybrid, Solutions = 1 };
        _run.Run(Targets, settings, 1);
        int few = CoupledCompression.Jobs(Assert.Single(_run.Stages("pairs")), "layer*").Length;
        _run.Run(Targets, settings with { Sweep = SweepRange.Parse("parameters=90%..40%/5") }, 1);
        Assert.True(_run.Stages("pairs").Max(stage => CoupledCompression.Jobs(stage, "layer*").Length) > few);
    }

    [Fact]
    public void Coupled_trains_every_pair_from_untrained_halves()
    {
        var result = _run.Run(Targets, new LibrarySettings { Mode = DistillationMode.Coupled }, 2);
        Assert.Equal((2 * 23) + 3, CoupledCompression.Jobs(Assert.Single(_run.Stages("pairs")), "layer*").Length);
        var halves = JsonNode.Parse(File.ReadAllText(Path.Combine(Assert.Single(_run.Stages("library")), "library.json")))!.AsArray();
        Assert.All(halves, entry => Assert.Equal(0, (int)entry!["steps"]!));
        Assert.True(result.Candidates[1].PredictedDivergence > 0);
        Assert.Single(_run.Stages("scores"));
    }

    public void Dispose()
    {
        _run.Dispose();
        _small.Dispose();
    }

    private static LayerConfiguration Layer() => new(new AttentionConfiguration(4), new SwiGluConfiguration(48));

    /// <summary>Scores of tables by the names that jobs of pairs have.</summary>
    private static Dictionary<string, double> Scores(byte[] tables)
    {
        var scores = new Dictionary<string, double>();
        foreach (var (index, layer) in JsonNode.Parse(tables)!["layers"]!.AsArray().Index())
        {
            foreach (var variant in layer!["variants"]!.AsArray())
            {
                scores.Add($"layer{index:D3}.{variant!["mixer"]}.{variant["feed_forward"]}", (double)variant["score"]!);
            }
        }

        return scores;
    }
}
