namespace Tessera.Tasks;

/// <summary>An endless, seeded stream of problems in which any index can be reached directly.</summary>
/// <remarks>
/// Problem i is a function of (split, seed, i, tasks, levels, weights): a task is drawn by weight, a level uniformly from
/// those asked for that the task has, then problems of it until one lies on the source's side of the border.
/// Training and evaluation are disjoint twice: their random states live in separate spaces, and a question in the
/// <see cref="EvaluationBucket"/> comes from evaluation sources only, whatever the seeds. So "unseen" holds even for the
/// hundred products of two digits. The same problem can occur at several indices of one source.
/// </remarks>
public sealed class ProblemSource
{
    // One draw in sixteen lies in the bucket, so an evaluation source needs 16 on average; that 10,000 fail by chance has
    // probability (15/16)^10000 < 1e-280 and means that the level holds no such question.
    private const int MostDraws = 10_000;

    // A run of this many problems in a row that were seen before means that there are no others.
    private const int MostRepeats = 2000;

    // Indices are not negative, so their top bit is free to keep the random states of the two sides apart.
    private const ulong EvaluationSpace = 1UL << 63;

    private readonly ulong _seed;
    private readonly ulong _space;
    private readonly IProblemTask[] _tasks;
    private readonly int[][] _levels;
    private readonly double[] _cumulative;

    /// <summary>A source over tasks and levels.</summary>
    /// <param name="split">Which side of the border.</param>
    /// <param name="seed">Seed within that side.</param>
    /// <param name="tasks">Tasks to draw from; null for all.</param>
    /// <param name="levels">Levels to draw from, the same for every task; null for all.</param>
    /// <param name="weights">One positive weight a task, in their order; null for equal ones.</param>
    /// <exception cref="ArgumentException">No tasks, a task without any asked level, or weights that do not fit.</exception>
    public ProblemSource(
        ProblemSplit split,
        ulong seed,
        IReadOnlyList<IProblemTask>? tasks = null,
        IReadOnlyList<int>? levels = null,
        IReadOnlyList<double>? weights = null)
    {
        Split = split;
        _seed = seed;
        _space = split == ProblemSplit.Evaluation ? EvaluationSpace : 0;
        _tasks = [.. tasks ?? TaskCatalog.All];
        _levels = [.. _tasks.Select(task => LevelsOf(task, levels))];
        _cumulative = Cumulative(_tasks.Length, weights);
    }

    /// <summary>Which side of the border the problems are from.</summary>
    public ProblemSplit Split { get; }

    /// <summary>Problem <paramref name="index"/> of the training seed over all tasks and levels.</summary>
    public static Problem Create(ulong seed, long index) => new ProblemSource(ProblemSplit.Training, seed).Create(index);

    /// <summary>Problem <paramref name="index"/> of this source.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    /// <exception cref="InvalidOperationException">The drawn task and level hold no question on this side of the border.</exception>
    public Problem Create(long index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        var random = new TaskRandom(_seed, (ulong)index | _space);
        int choice = Choose(random.NextDouble());
        IProblemTask task = _tasks[choice];
        int level = _levels[choice][random.Next(_levels[choice].Length)];
        for (int draw = 0; draw < MostDraws; draw++)
        {
            Problem problem = task.Create(level, ref random);
            if (EvaluationBucket.Contains(problem.Question) == (Split == ProblemSplit.Evaluation))
            {
                return problem;
            }
        }

        throw new InvalidOperationException($"Task '{task.Name}' level {level} holds no problem for {Split}.");
    }

    /// <summary>Problems from <paramref name="start"/> on, without end.</summary>
    public IEnumerable<Problem> Stream(long start = 0)
    {
        for (long index = start; ; index++)
        {
            yield return Create(index);
        }
    }

    /// <summary>The first problems with different questions, with their indices.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="ArgumentException">There are not so many.</exception>
    public IReadOnlyList<(long Index, Problem Problem)> Distinct(int count)
    {
        var found = new List<(long, Problem)>(count);
        var seen = new HashSet<(string, string)>();
        int repeats = 0;
        for (long index = 0; found.Count < count; index++)
        {
            var problem = Create(index);
            if (seen.Add((problem.Task, problem.Question)))
            {
                repeats = 0;
                found.Add((index, problem));
            }
            else if (++repeats == MostRepeats)
            {
                throw new ArgumentException(
                    $"the tasks and levels asked for hold {found.Count} different problems, {count} are needed: ask for more levels, or fewer problems");
            }
        }

        return found;
    }

    private static int[] LevelsOf(IProblemTask task, IReadOnlyList<int>? levels)
    {
        int[] chosen = [.. Enumerable.Range(1, task.Levels).Where(level => levels is null || levels.Contains(level))];
        return chosen.Length > 0
            ? chosen
            : throw new ArgumentException(
                $"Task '{task.Name}' has levels 1 to {task.Levels}, none of which was asked for.", nameof(levels));
    }

    private static double[] Cumulative(int count, IReadOnlyList<double>? weights)
    {
        if (count == 0 || (weights is not null && weights.Count != count))
        {
            throw new ArgumentException(
                $"There are {count} tasks and {weights?.Count ?? 0} weights; expected at least one task and a weight for each.");
        }

        var cumulative = new double[count];
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            double weight = weights?[i] ?? 1;
            sum += weight > 0 && double.IsFinite(weight)
                ? weight
                : throw new ArgumentException($"The weight {weight} of task {i} is not a positive number.", nameof(weights));
            cumulative[i] = sum;
        }

        return cumulative;
    }

    private int Choose(double uniform)
    {
        double point = uniform * _cumulative[^1];
        int choice = 0;
        while (choice < _cumulative.Length - 1 && point >= _cumulative[choice])
        {
            choice++;
        }

        return choice;
    }
}
