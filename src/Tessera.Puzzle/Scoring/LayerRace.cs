using Tessera.Devices;
using Tessera.Models.Blocks;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// Scores the variants of one layer batch by batch, and stops reading for those that cannot matter any more: a race in the sense of Maron and
/// Moore (1994, Hoeffding races), with standard errors of paired differences in place of Hoeffding's bound.
/// </summary>
/// <remarks>
/// A variant v is out when some w, no dearer in any cost, has mean(v − w) &gt; k·se(v − w) over the documents that both were read on. Its score
/// is then score(w) + mean(v − w), which lies above w's, with the standard error se(w) + se(v − w), a bound whatever their correlation. The
/// parent's own block takes part with a score of 0. Decisions depend on data and order alone, so any process makes the same.
/// </remarks>
/// <param name="scorer">Scores.</param>
/// <param name="settings">When a variant is given up, and when a layer is done.</param>
/// <param name="variantsAtOnce">Variants that share a passage.</param>
public sealed class LayerRace(ReplaceOneScorer scorer, RacingSettings settings, int variantsAtOnce)
{
    /// <summary>Runs the race of a layer.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="variants">What may replace it.</param>
    /// <param name="entries">What the race needs to know: of the layer's own block, then of the variants.</param>
    public BlockScore[] Run(int layer, IReadOnlyList<Func<Arena, DecoderLayer>> variants, IReadOnlyList<RaceEntry> entries)
    {
        var runners = variants.Select((read, index) => new Runner(read, entries[index + 1])).ToList();
        var alive = runners;
        int read = 0;
        foreach (int until in RacingSettings.Decisions(scorer.Batches))
        {
            foreach (var together in alive.Chunk(variantsAtOnce))
            {
                scorer.Add(layer, [.. together.Select(runner => runner.Read)], [.. together.Select(runner => runner.Sums)], read, until);
            }

            read = until;
            if (read < scorer.Batches)
            {
                GiveUp(alive, entries[0]);
                alive = [.. alive.Where(runner => !runner.IsOut)];
                if (alive.TrueForAll(IsPrecise))
                {
                    break;
                }
            }
        }

        return [.. runners.Select(runner => runner.Score(scorer.HasAnswers))];
    }

    private bool IsPrecise(Runner runner)
    {
        var score = runner.Sums.Summarise(scorer.HasAnswers).Of(settings.Kind)!.Value;
        return settings.Precision > 0 && score.Documents >= RacingSettings.LeastDocuments
            && score.StandardError <= settings.Precision * Math.Abs(score.Mean);
    }

    /// <summary>Marks who is out. The better of several that beat a variant stands for all of them.</summary>
    private void GiveUp(List<Runner> alive, RaceEntry parent)
    {
        if (settings.Margin <= 0)
        {
            return;
        }

        foreach (var runner in alive)
        {
            runner.Current = runner.Sums.Summarise(scorer.HasAnswers);
        }

        Runner[] byScore = [.. alive.OrderBy(runner => runner.Current!.Of(settings.Kind)!.Value.Mean)];
        for (int i = 0; i < byScore.Length; i++)
        {
            var runner = byScore[i];
            if (parent.MayWin && parent.IsNoDearerThan(runner.Entry) && IsBeyondDoubt(runner.Current!))
            {
                runner.Lose(null, runner.Current!);
                continue;
            }

            for (int better = 0; better < i; better++)
            {
                var other = byScore[better];
                if (other.Entry.MayWin && other.Entry.IsNoDearerThan(runner.Entry)
                    && runner.Sums.Minus(other.Sums, scorer.HasAnswers) is var difference && IsBeyondDoubt(difference))
                {
                    runner.Lose(other, difference);
                    break;
                }
            }
        }
    }

    private bool IsBeyondDoubt(BlockScore difference)
    {
        var found = difference.Of(settings.Kind)!.Value;
        return found.Documents >= RacingSettings.LeastDocuments && found.Mean > settings.Margin * found.StandardError;
    }

    /// <summary>A variant in the race.</summary>
    private sealed class Runner(Func<Arena, DecoderLayer> read, RaceEntry entry)
    {
        private Runner? _winner;
        private BlockScore? _difference;

        public Func<Arena, DecoderLayer> Read => read;

        public RaceEntry Entry => entry;

        public ScoreSums Sums { get; } = new();

        /// <summary>The score at the present decision.</summary>
        public BlockScore? Current { get; set; }

        public bool IsOut => _difference is not null;

        /// <summary>Gives up, against another or against the parent's own block.</summary>
        public void Lose(Runner? winner, BlockScore difference) => (_winner, _difference) = (winner, difference);

        /// <summary>A winner may have lost later, or in the same decision against one that is better still: no circle, since each is better than the last.</summary>
        public BlockScore Score(bool withAnswers)
        {
            if (_difference is null)
            {
                return Sums.Summarise(withAnswers);
            }

            var winner = _winner?.Score(withAnswers) ?? BlockScore.OfParent;
            Estimate? Sum(Estimate? one, Estimate? other) => other is { } difference && one is { } score
                ? new Estimate(score.Mean + difference.Mean, score.StandardError + difference.StandardError, difference.Documents)
                : null;
            return new BlockScore(
                Sum(winner.Divergence, _difference.Divergence)!.Value, Sum(winner.LmLoss, _difference.LmLoss), Sum(winner.Hidden, _difference.Hidden))
            {
                Answer = Sum(winner.Answer, _difference.Answer),
                IsRacedOut = true,
            };
        }
    }
}
