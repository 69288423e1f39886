using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>Searches for one set of loads: a load of every scenario, each at one batch.</summary>
public sealed class LoadSetSearch
{
    private readonly TableSearchSettings _settings;
    private readonly TableProblem _table;

    /// <summary>Prepares the problem.</summary>
    /// <param name="tables">Scores and costs.</param>
    /// <param name="loads">One load of every scenario.</param>
    /// <param name="settings">Limits and objective.</param>
    /// <exception cref="ArgumentException">Filter or targets do not fit the tables; one sentence.</exception>
    public LoadSetSearch(SearchTables tables, IReadOnlyList<LoadTable> loads, TableSearchSettings settings)
    {
        _settings = settings;
        _table = new TableProblem(tables, loads, settings.Filter);
        Problem = At(settings.Targets);
    }

    /// <summary>One load of every scenario.</summary>
    public IReadOnlyList<LoadTable> Loads => _table.Loads;

    /// <summary>The problem that the solvers see.</summary>
    public SearchProblem Problem { get; }

    /// <summary>What the parent costs, load by load.</summary>
    public IReadOnlyList<Amounts> Parent => [.. Loads.Select(_table.Parent)];

    /// <summary>The variants that may be chosen in every layer.</summary>
    public IReadOnlyList<IReadOnlyList<ScoredVariant>> Variants => _table.Variants;

    /// <summary>What is outside the layers, in the first load.</summary>
    internal Amounts Base => _table.Base(Loads[0]);

    /// <summary>What a block costs in the first load.</summary>
    internal Amounts Cost(ScoredVariant variant) => _table.Cost(Loads[0], variant);

    private bool IsWorstCase => _settings.Objective == ScoreObjective.Worst && Loads.Count > 1
        && _table.Variants.Any(layer => layer.Any(variant => variant.ScenarioScores.Count > 0));

    /// <summary>The best solution and those that differ from it; fewer than asked for where there are no more.</summary>
    public IReadOnlyList<ServedSolution> Solve() =>
        [.. DiverseSearch.Solve(Problem, _settings.Solutions, 1 - _settings.Difference, _settings.Options, Solve)
            .Select((result, index) => Solution(index == 0 ? "best" : $"solution {index + 1}", result.Choice, result.Score) with { Certificate = result })];

    /// <summary>The simpler searches, those that meet the limits.</summary>
    public IReadOnlyList<ServedSolution> Baselines() => Baselines(Problem, withMaximisation: true);

    /// <summary>The best solution at every step of a sweep, with greedy and uniform choices beside it.</summary>
    public IReadOnlyList<SweepPoint> Sweep(SweepRange range)
    {
        var problems = range.Steps.Select(step => At([.. _settings.Targets.Where(target => !Replaces(step, target)), step])).ToList();
        var rows = ParetoSweep.Run([.. range.Steps.Select((_, index) => (double)index)], index => problems[(int)index], _settings.Options, Solve);
        return [.. rows.Select((row, index) => new SweepPoint(
            range.Steps[index], Loads, row.Result.HasSolution ? Solution("best", row.Result.Choice, row.Result.Score) with { Certificate = row.Result } : null,
            Baselines(problems[index], withMaximisation: false)))];
    }

    /// <summary>How far the best solution uses the limits, and what a little more of each would be worth.</summary>
    public IReadOnlyList<LimitUse> Limits(ServedSolution best) =>
        best.Certificate is { } certificate ? LimitUse.Of(Problem, certificate) : [];

    /// <summary>Why the limits cannot be met, and the nearest that can.</summary>
    public IReadOnlyList<string> Explain()
    {
        var report = Infeasibility.Explain(Problem);
        var columns = _table.Columns(_settings.Targets);
        var limits = new TargetLimits(_table, _settings.Margin);
        string[] nearest = [.. report.Limits.Where(limit => limit.Nearest is not null).SelectMany(limit =>
        {
            int index = Problem.Resources.ToList().FindIndex(resource => resource.Name == limit.Resource.Name);
            return index < columns.Count ? limits.Nearest(columns[index], _settings.Targets, limit.Nearest!.Value) : [];
        }).Distinct()];
        return nearest.Length == 0 ? report.Sentences
            : [.. report.Sentences, $"Each of these could be met while the others stay: {string.Join(", ", nearest)}."];
    }

    private static bool Replaces(Target step, Target target) =>
        step.Quantity == target.Quantity && step.Scenario == target.Scenario && step.Selector?.Text == target.Selector?.Text;

    private SearchProblem At(IReadOnlyList<Target> targets)
    {
        var problem = _table.Build(targets, _settings.Margin);
        if (!IsWorstCase)
        {
            return problem;
        }

        // The score in every scenario is one more column, whose largest sum is to be least.
        return new SearchProblem(
            [.. problem.Layers.Select((layer, index) => (IReadOnlyList<Choice>)[.. layer.Select((choice, variant) => choice with
            {
                Costs = [.. choice.Costs, .. Loads.Select(load => _table.Variants[index][variant].ScoreIn(load.Scenario))],
            })])],
            [.. problem.Resources, .. Loads.Select(load => new Resource($"score in {load.Scenario}"))]);
    }

    private int[] ScoreColumns(SearchProblem problem) => [.. Enumerable.Range(problem.Resources.Count - Loads.Count, Loads.Count)];

    private SearchResult Solve(SearchProblem problem, SearchOptions options) => IsWorstCase
        ? WorstCaseSearch.Solve(problem, ScoreColumns(problem), options)
        : ExactSolver.Solve(problem, options);

    private List<ServedSolution> Baselines(SearchProblem problem, bool withMaximisation)
    {
        var results = new List<(string Name, BaselineResult? Result)>
        {
            ("greedy", GreedySearch.Solve(problem)), ("uniform", UniformSearch.Solve(problem)),
        };
        if (withMaximisation)
        {
            results.Add(("parameter-max", ParameterMaximisation.Solve(problem, TableProblem.ParameterColumn)));
        }

        return [.. results.Where(row => row.Result is not null).Select(row => Solution(row.Name, row.Result!.Choice, Objective(problem, row.Result)))];
    }

    private double Objective(SearchProblem problem, BaselineResult result) =>
        IsWorstCase ? ScoreColumns(problem).Max(column => problem.TotalOf(column, result.Choice)) : result.Score;

    private ServedSolution Solution(string name, int[] choice, double score) => new(
        name, [.. choice.Select((index, layer) => _table.Variants[layer][index])], _table.ToTables(choice), score,
        [.. Loads.Select(load => _table.Total(load, choice))]);
}
