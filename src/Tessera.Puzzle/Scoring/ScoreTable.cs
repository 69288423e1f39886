using System.Globalization;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Scoring;

/// <summary>Scores of all variants of all layers, each replacing a layer alone, computed beside any number of other processes.</summary>
public sealed class ScoreTable
{
    /// <summary>Variants of a layer that share the passage of the layers behind it. Part of the jobs' names, so it is the same everywhere.</summary>
    internal const int VariantsPerJob = 8;

    // One job for all of the parent's depths, of which the last is wanted.
    private const string ReferenceJob = "parent";

    private readonly Dictionary<(int Layer, string Label), BlockScore> _scores = [];

    private ScoreTable(ScoreKind kind) => Kind = kind;

    /// <summary>The score that <see cref="Score"/> gives.</summary>
    public ScoreKind Kind { get; }

    /// <summary>Jobs that this process did.</summary>
    public int OwnJobs { get; private set; }

    /// <summary>Variants that were given up before all documents were read.</summary>
    public int RacedOut => _scores.Values.Count(score => score.IsRacedOut);

    /// <summary>Share of (variant, document) pairs that were read; 1 without a race.</summary>
    public double ShareRead
    {
        get
        {
            var read = _scores.Values.Select(score => score.Divergence.Documents).Where(documents => documents > 0).ToList();
            return read.Count == 0 ? 1 : read.Average() / read.Max();
        }
    }

    /// <summary>Number of jobs that <see cref="Compute"/> counts.</summary>
    /// <param name="variants">Variants of every layer.</param>
    /// <param name="isRace">Whether a layer's variants race against each other: a layer is then one job.</param>
    public static int JobCount(IReadOnlyList<IReadOnlyList<BlockVariant>> variants, bool isRace = false) =>
        variants.Sum(layer => Groups(layer, isRace).Count());

    /// <summary>Computes what no process has computed yet, and deletes the states when all is done.</summary>
    /// <param name="plan">What to score, and how.</param>
    /// <param name="jobs">The stage's jobs; beside them the scores are listed in <c>scores.jsonl</c>.</param>
    /// <param name="onDone">Called with the number of jobs that are done, whoever did them.</param>
    /// <exception cref="DamagedJobException">What an earlier job left was changed since.</exception>
    public static ScoreTable Compute(ScorePlan plan, JobFolder jobs, Action<int> onDone)
    {
        bool isRace = plan.Racing is not null;
        // The head is read once, and only by a process that has something to score.
        ReplaceOneScorer? scorer = null;
        int own;
        try
        {
            DiscardLacking(plan, jobs, isRace);
            ForgetDamaged(plan, jobs);
            own = new JobBoard(jobs).Run(
                JobTimes.Of(jobs).Timed(
                    Jobs(plan, isRace, () => scorer ??= new ReplaceOneScorer(plan.Device, plan.States, plan.Memory, plan.Reference?.States, plan.WithAnswers))),
                onDone);
        }
        finally
        {
            scorer?.Dispose();
        }

        var table = Read(plan, jobs, isRace);
        ScoreRecords.Write(
            Path.Combine(Path.GetDirectoryName(jobs.FullPath)!, "scores.jsonl"),
            plan.Variants.SelectMany((layer, index) => layer.Where((_, at) => at != plan.Own(index)).Select(variant => ($"{index}/{variant.Label}", table.All(index, variant)))));
        plan.States.Delete();
        if (plan.Reference is { } parent)
        {
            parent.States.Delete();
            jobs.Discard(ReferenceJob);
        }

        table.OwnJobs = own;
        return table;
    }

    /// <summary>These scores, and those of another table where it has one of the same variant.</summary>
    public ScoreTable UpdatedBy(ScoreTable other)
    {
        var updated = new ScoreTable(Kind) { OwnJobs = OwnJobs + other.OwnJobs };
        foreach (var (key, score) in _scores.Concat(other._scores))
        {
            updated._scores[key] = score;
        }

        return updated;
    }

    /// <summary>Score of a variant of a layer.</summary>
    public Estimate Score(int layer, BlockVariant variant) => All(layer, variant).Of(Kind)!.Value;

    /// <summary>Everything that was measured of a variant of a layer.</summary>
    public BlockScore All(int layer, BlockVariant variant) => _scores[(layer, variant.Label)];

    /// <summary>KL(parent ‖ model with the variant in this layer), nats a token, whatever <see cref="Kind"/> is.</summary>
    public Estimate Divergence(int layer, BlockVariant variant) => All(layer, variant).Divergence;

    /// <summary>This table with another's answers, by which it then scores.</summary>
    internal ScoreTable WithAnswers(ScoreTable answers)
    {
        var joined = new ScoreTable(answers.Kind) { OwnJobs = OwnJobs };
        foreach (var (key, score) in _scores)
        {
            joined._scores.Add(key, score with { Answer = answers._scores[key].Answer });
        }

        return joined;
    }

    /// <summary>Records of a version that knew the divergence alone are made again where another score is asked for.</summary>
    private static void DiscardLacking(ScorePlan plan, JobFolder jobs, bool isRace)
    {
        var done = plan.Kind == ScoreKind.Divergence ? [] : jobs.Done();
        for (int layer = 0; layer < plan.Variants.Count; layer++)
        {
            foreach (var (group, members) in Groups(plan, layer, isRace))
            {
                string job = JobOf(layer, group, isRace);
                if (done.Contains(job) && ScoreRecords.Find(jobs.Read(job), members[0].Variant) is { } score && score.Of(plan.Kind) is null)
                {
                    jobs.Discard(job);
                }
            }
        }
    }

    /// <summary>A state of the parent that was found damaged is no longer done, and so is the job that stands for all of them.</summary>
    private static void ForgetDamaged(ScorePlan plan, JobFolder jobs)
    {
        if (plan.Reference is { } parent && jobs.IsDone(ReferenceJob) && !parent.States.Plan.All(job => parent.Jobs.IsDone(job.Name)))
        {
            jobs.Discard(ReferenceJob);
        }
    }

    private static List<Job> Jobs(ScorePlan plan, bool isRace, Func<ReplaceOneScorer> scorer)
    {
        var jobs = new List<Job>(plan.States.Plan);
        if (plan.Reference is { } parent)
        {
            jobs.Add(new Job(ReferenceJob, [], () =>
            {
                parent.States.ComputeAll();
                return new JobRecord([], []);
            })
            { IsWanted = false });
        }

        for (int layer = 0; layer < plan.Variants.Count; layer++)
        {
            foreach (var (group, members) in Groups(plan, layer, isRace))
            {
                int index = layer;
                jobs.Add(new Job(
                    JobOf(layer, group, isRace), [ParentStates.JobOf(layer), plan.Reference is null ? ParentStates.JobOf(plan.Variants.Count) : ReferenceJob],
                    () => ScoreRecords.Of([.. members.Select(member => member.Variant)], Run(plan, scorer(), index, members))));
            }
        }

        return jobs;
    }

    private static BlockScore[] Run(ScorePlan plan, ReplaceOneScorer scorer, int layer, Member[] members)
    {
        Func<Arena, DecoderLayer>[] variants =
            [.. members.Select<Member, Func<Arena, DecoderLayer>>(member => arena => plan.Library.Layer(layer, member.Variant, arena))];
        return plan.Racing is { } racing
            ? new LayerRace(scorer, racing, VariantsPerJob).Run(
                layer, variants,
                // Inside a child its own block has a score that is not nothing, so it does not take part.
                [plan.Entries![layer][plan.Own(layer)] with { MayWin = plan.Child is null && plan.Entries[layer][0].MayWin }, .. members.Select(member => plan.Entries[layer][member.Index])])
            : scorer.Score(layer, variants);
    }

    private static ScoreTable Read(ScorePlan plan, JobFolder jobs, bool isRace)
    {
        var table = new ScoreTable(plan.Kind);
        for (int layer = 0; layer < plan.Variants.Count; layer++)
        {
            // The model's own block replaces itself: nothing is lost by definition.
            table._scores[(layer, plan.Variants[layer][plan.Own(layer)].Label)] = plan.OwnScore;
            foreach (var (group, members) in Groups(plan, layer, isRace))
            {
                string job = JobOf(layer, group, isRace);
                var record = jobs.Read(job);
                foreach (var member in members)
                {
                    string label = member.Variant.Label;
                    table._scores[(layer, label)] = ScoreRecords.Find(record, member.Variant)
                        ?? throw new DamagedJobException(jobs, job, $"{jobs.FullPath}: the record of job '{job}' has no score of '{label}'");
                }
            }
        }

        return table;
    }

    private static IEnumerable<(int Group, Member[] Members)> Groups(ScorePlan plan, int layer, bool isRace) =>
        plan.Variants[layer].Select((variant, index) => new Member(variant, index)).Where(member => member.Index != plan.Own(layer))
            .Chunk(isRace ? int.MaxValue : VariantsPerJob).Select((members, group) => (group, members));

    private static IEnumerable<BlockVariant[]> Groups(IReadOnlyList<BlockVariant> variants, bool isRace) =>
        variants.Skip(1).Chunk(isRace ? int.MaxValue : VariantsPerJob);

    private static string JobOf(int layer, int group, bool isRace) => isRace
        ? string.Create(CultureInfo.InvariantCulture, $"layer{layer:D3}.race")
        : string.Create(CultureInfo.InvariantCulture, $"layer{layer:D3}.group{group:D2}");

    private sealed record Member(BlockVariant Variant, int Index);
}
