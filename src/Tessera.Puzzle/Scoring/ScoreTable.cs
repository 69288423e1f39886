using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Scoring;

/// <summary>Replace-one-block scores of all variants of all layers, computed beside any number of other processes.</summary>
public sealed class ScoreTable
{
    /// <summary>Variants of a layer that share the passage of the layers behind it. Part of the jobs' names, so it is the same everywhere.</summary>
    internal const int VariantsPerJob = 8;

    private readonly Dictionary<(int Layer, string Label), Estimate> _scores = [];

    /// <summary>Jobs that this process did.</summary>
    public int OwnJobs { get; private set; }

    /// <summary>Number of jobs that <see cref="Compute"/> counts.</summary>
    public static int JobCount(IReadOnlyList<IReadOnlyList<BlockVariant>> variants) =>
        variants.Sum(layer => (layer.Count - 1 + VariantsPerJob - 1) / VariantsPerJob);

    /// <summary>Computes what no process has computed yet, and deletes the states when all is done.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="states">The parent's states on the scoring batches.</param>
    /// <param name="library">Complete.</param>
    /// <param name="variants">Variants of every layer, the parent's own first.</param>
    /// <param name="jobs">The stage's jobs; beside them the scores are listed in <c>scores.jsonl</c>.</param>
    /// <param name="memory">How much may be in memory at a time.</param>
    /// <param name="onDone">Called with the number of jobs that are done, whoever did them.</param>
    /// <exception cref="DamagedJobException">What an earlier job left was changed since.</exception>
    public static ScoreTable Compute(
        Device device, ParentStates states, BlockLibrary library, IReadOnlyList<IReadOnlyList<BlockVariant>> variants,
        JobFolder jobs, StreamingMemory memory, Action<int> onDone)
    {
        // The head is read once, and only by a process that has something to score.
        ReplaceOneScorer? scorer = null;
        int own;
        try
        {
            own = new JobBoard(jobs).Run(
                JobTimes.Of(jobs).Timed(Plan(states, library, variants, () => scorer ??= new ReplaceOneScorer(device, states, memory))), onDone);
        }
        finally
        {
            scorer?.Dispose();
        }

        var table = Read(variants, jobs);
        table.Write(variants, Path.Combine(Path.GetDirectoryName(jobs.FullPath)!, "scores.jsonl"));
        states.Delete();
        table.OwnJobs = own;
        return table;
    }

    /// <summary>Score of a variant of a layer, nats a token.</summary>
    public Estimate Score(int layer, BlockVariant variant) => _scores[(layer, variant.Label)];

    private static List<Job> Plan(
        ParentStates states, BlockLibrary library, IReadOnlyList<IReadOnlyList<BlockVariant>> variants, Func<ReplaceOneScorer> scorer)
    {
        var plan = new List<Job>(states.Plan);
        for (int layer = 0; layer < variants.Count; layer++)
        {
            foreach (var (group, members) in Groups(variants[layer]))
            {
                int index = layer;
                plan.Add(new Job(
                    JobOf(layer, group), [ParentStates.JobOf(layer), ParentStates.JobOf(variants.Count)],
                    () => Record(members, scorer().Score(
                        index, [.. members.Select<BlockVariant, Func<Arena, DecoderLayer>>(
                            variant => arena => library.Layer(index, variant, arena))]))));
            }
        }

        return plan;
    }

    private static IEnumerable<(int Group, BlockVariant[] Members)> Groups(IReadOnlyList<BlockVariant> variants) =>
        variants.Skip(1).Chunk(VariantsPerJob).Select((members, group) => (group, members));

    private static string JobOf(int layer, int group) => string.Create(CultureInfo.InvariantCulture, $"layer{layer:D3}.group{group:D2}");

    private static JobRecord Record(BlockVariant[] members, Estimate[] scores) => new(
        [],
        [.. members.Zip(scores, (variant, score) => KeyValuePair.Create(
            variant.Label, (double[])[score.Mean, score.StandardError, score.Documents]))]);

    private static ScoreTable Read(IReadOnlyList<IReadOnlyList<BlockVariant>> variants, JobFolder jobs)
    {
        var table = new ScoreTable();
        for (int layer = 0; layer < variants.Count; layer++)
        {
            // The parent's own block replaces itself: its score is zero by definition.
            table._scores[(layer, variants[layer][0].Label)] = default;
            foreach (var (group, members) in Groups(variants[layer]))
            {
                string job = JobOf(layer, group);
                var record = jobs.Read(job);
                foreach (var variant in members)
                {
                    table._scores[(layer, variant.Label)] = record.Numbers(variant.Label) is [var mean, var error, var documents]
                        ? new Estimate(mean, error, (int)documents)
                        : throw new DamagedJobException(jobs, job, $"{jobs.FullPath}: the record of job '{job}' has no score of '{variant.Label}'");
                }
            }
        }

        return table;
    }

    /// <summary>One line a score, for people and other programs; every process writes the same.</summary>
    private void Write(IReadOnlyList<IReadOnlyList<BlockVariant>> variants, string path) => AtomicFile.WriteAllText(
        path,
        string.Concat(variants.SelectMany((layer, index) => layer.Skip(1).Select(variant =>
            $"{{\"key\":{JsonSerializer.Serialize($"{index}/{variant.Label}", PuzzleJson.Default.String)},\"value\":{Line(Score(index, variant))}}}\n"))));

    private static string Line(Estimate score) => JsonSerializer.SerializeToNode(score, PuzzleJson.Default.Estimate)!.ToJsonString();
}
