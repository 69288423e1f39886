using System.Globalization;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// Which pairs hybrid distillation trains: of every layer all pairs of the mixers and the feed-forwards that good solutions chose there
/// (Puzzle section 2.2). Solutions are the best, those that differ from it, and the best at every step of a sweep.
/// </summary>
internal static class PairSelection
{
    private const string JobName = "pairs";

    /// <summary>The variants of every layer that are to be trained as pairs, the parent's own first; every process finds the same.</summary>
    /// <param name="table">All variants with their costs.</param>
    /// <param name="scores">Scores after decoupled distillation.</param>
    /// <param name="settings">Targets, filter, and how many solutions count.</param>
    /// <param name="jobs">The stage's jobs: the selection is recorded, for a search that its time limit ends would not repeat it.</param>
    /// <exception cref="InfeasibleTargetException">No choice of blocks meets the limits.</exception>
    public static IReadOnlyList<IReadOnlyList<BlockVariant>> Run(
        ChoiceTable table, ScoreTable scores, CompressionSettings settings, JobFolder jobs)
    {
        new JobBoard(jobs).Run([new Job(JobName, [], () => Select(table, scores, settings))], _ => { });
        var record = jobs.Read(JobName);
        return
        [
            .. table.Variants.Select((variants, layer) => (IReadOnlyList<BlockVariant>)
                [variants[0], .. record.Numbers(Key(layer)).Select(index => variants[(int)index])]),
        ];
    }

    private static JobRecord Select(ChoiceTable table, ScoreTable scores, CompressionSettings settings)
    {
        var search = new TableSearchSettings
        {
            Targets = settings.Targets,
            Margin = settings.Margin,
            Filter = settings.Filter,
            Solutions = settings.Library.Solutions,
            Difference = settings.Library.Difference,
            Sweep = settings.Library.Sweep,
        };
        var tables = table.Tables(scores.Score);
        var found = TableSearch.Run(tables, search);
        var solutions = found.Chosen.Solutions.Concat(found.Sweep.Select(point => point.Best).OfType<ServedSolution>()).ToList();
        var allowed = settings.Filter.Apply(tables);
        return new JobRecord([], [.. table.Variants.Select((variants, layer) => KeyValuePair.Create(
            Key(layer), Pairs(variants, [.. solutions.Select(solution => variants[solution.Choice[layer]])], allowed[layer])))]);
    }

    /// <summary>Indices of a layer's pairs of chosen halves, but the parent's own block.</summary>
    private static double[] Pairs(IReadOnlyList<BlockVariant> variants, List<BlockVariant> chosen, int[] allowed) =>
    [
        .. allowed.Where(index => index > 0 && chosen.Exists(block => block.Mixer == variants[index].Mixer)
            && chosen.Exists(block => block.FeedForward == variants[index].FeedForward)).Select(index => (double)index),
    ];

    private static string Key(int layer) => string.Create(CultureInfo.InvariantCulture, $"layer{layer:D3}");
}
