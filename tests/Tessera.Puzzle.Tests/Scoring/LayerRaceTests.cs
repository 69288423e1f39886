using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Tests.Scoring;

/// <summary>Variants that are given up before all documents are read, and layers that are done early.</summary>
public sealed class LayerRaceTests : IDisposable
{
    private const int Layer = 1;
    private const int Batches = 8;
    private readonly SmallParent _small = new();
    private readonly SmallStates _states;

    // Without its feed-forward, without its mixer, without either, and the layer itself.
    private readonly Func<Arena, DecoderLayer>[] _variants;
    private readonly BlockScore[] _full;

    public LayerRaceTests()
    {
        _states = _small.States(3, Batches);
        var own = _small.Model.Layers[Layer];
        _variants = [_ => new DecoderLayer(own.Mixer, null), _ => new DecoderLayer(null, own.FeedForward), _ => new DecoderLayer(null, null), _ => own];
        using var scorer = new ReplaceOneScorer(_small.Device, _states.States, StreamingMemory.Least, withAnswers: true);
        _full = scorer.Score(Layer, _variants);
    }

    [Fact]
    public void A_variant_that_is_worse_and_no_cheaper_is_given_up_and_scores_above_its_winner()
    {
        // The first is as dear as the third, which is worse by far; the second is the cheapest, and the last, which loses nothing, the dearest.
        Assert.True(_full[2].Divergence.Mean > _full[0].Divergence.Mean + (10 * _full[2].Divergence.StandardError), $"{_full[2]} against {_full[0]}");
        var raced = Race(new RacingSettings(ScoreKind.Divergence, 4, 0), Costs(9, 2, 1, 2, 9));
        Assert.Equal([false, false, true, false], raced.Select(score => score.IsRacedOut));
        Assert.Equal([_full[0], _full[1], _full[3]], [raced[0], raced[1], raced[3]]);
        foreach (var kind in ScoreKind.OfText.Append(new ScoreKind("task:add")))
        {
            Estimate estimate = raced[2].Of(kind)!.Value, all = _full[2].Of(kind)!.Value;
            Assert.InRange(Math.Abs(estimate.Mean - all.Mean), 0, 3 * estimate.StandardError);
            Assert.True(estimate.StandardError > all.StandardError && estimate.Documents < all.Documents, $"{kind}: {estimate} for {all}");
        }

        Assert.True(raced[2].Divergence.Mean > raced[0].Divergence.Mean);
    }

    [Fact]
    public void Who_is_cheaper_in_any_cost_or_beaten_by_none_that_may_win_stays()
    {
        var settings = new RacingSettings(ScoreKind.Divergence, 4, 0);
        Assert.Equal(_full, Race(settings, Costs(9, 3, 2, 1, 4)));
        var barred = Costs(9, 2, 1, 2, 9);
        barred[1] = barred[1] with { MayWin = false };
        barred[2] = barred[2] with { MayWin = false };
        Assert.Equal(_full, Race(settings, barred));

        // The parent's own block may win as well: with a score of nothing and no more to pay, all but itself are out.
        Assert.Equal([true, true, true, false], Race(settings, Costs(1, 1, 1, 1, 1)).Select(score => score.IsRacedOut));
        Assert.Equal(_full, Race(settings with { Margin = 1e6 }, Costs(1, 1, 1, 1, 1)));
    }

    [Fact]
    public void A_layer_ends_when_all_standard_errors_are_small_enough_and_memory_changes_no_bit()
    {
        var dear = Costs(9, 3, 2, 1, 4);
        double coarse = _full.Take(3).Max(score => score.Divergence.StandardError / score.Divergence.Mean) * 3;
        var settings = new RacingSettings(ScoreKind.Divergence, 0, coarse);
        var raced = Race(settings, dear);
        Assert.All(raced, score => Assert.InRange(score.Divergence.Documents, RacingSettings.LeastDocuments, (4 * Batches) - 1));
        Assert.All(raced.Take(3), score => Assert.True(score.Divergence.StandardError <= coarse * score.Divergence.Mean));
        Assert.Equal(raced, Race(settings, dear, new StreamingMemory(1 << 30, 1 << 30), 1));
        Assert.Equal(_full, Race(settings with { Precision = 1e-6 }, dear, new StreamingMemory(1 << 30, 1 << 30)));
    }

    [Theory]
    [InlineData(1, "1")]
    [InlineData(3, "1 2 3")]
    [InlineData(8, "1 2 4 8")]
    [InlineData(50, "7 13 25 50")]
    public void Decisions_are_few_and_the_last_is_the_end(int batches, string expected) =>
        Assert.Equal(expected, string.Join(' ', RacingSettings.Decisions(batches)));

    public void Dispose()
    {
        _states.Dispose();
        _small.Dispose();
    }

    /// <summary>Costs of the parent's own block, then of the variants, in one resource.</summary>
    private static RaceEntry[] Costs(params double[] costs) => [.. costs.Select(cost => new RaceEntry([cost], true))];

    private BlockScore[] Race(RacingSettings settings, RaceEntry[] entries, StreamingMemory? memory = null, int variantsAtOnce = 8)
    {
        using var scorer = new ReplaceOneScorer(_small.Device, _states.States, memory ?? StreamingMemory.Least, withAnswers: true);
        return new LayerRace(scorer, settings, variantsAtOnce).Run(Layer, _variants, entries);
    }
}
