using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;

namespace Tessera.Cli.Output;

/// <summary>What a search found as one JSON document (docs/search.md).</summary>
internal static class SearchDocument
{
    public static object Of(SearchTables tables, TableSearchSettings settings, TableSearchResult result) => new
    {
        model = tables.Model,
        score = tables.ScoreName,
        score_kind = tables.ScoreKind.Length > 0 ? tables.ScoreKind : null,
        targets = settings.Targets.Select(target => target.Text),
        margin = settings.Margin,
        solver = settings.Options.Engine == SearchEngine.Cbc ? "cbc" : "embedded",
        objective = settings.Objective == ScoreObjective.Worst ? "worst" : "weighted",
        loads = Loads(result.Chosen.Search),
        parent = result.Chosen.Search.Parent.Select((amounts, index) => Costs(result.Chosen.Search.Loads[index], amounts)),
        solutions = result.Chosen.Solutions.Select(solution => Solution(result.Chosen.Search, solution)),
        limits = result.Chosen.Search.Limits(result.Chosen.Best!).Select(use => new
        {
            resource = use.Name,
            bound = use.IsMaximum ? "at most" : "at least",
            limit = use.Limit,
            used = use.Used,
            step = use.Step,
            score_saved_by_step = use.Saving,
        }),
        baselines = result.Baselines.Select(solution => Solution(result.Chosen.Search, solution)),
        batches = result.Batches.Select(batch => new
        {
            loads = Loads(batch.Search),
            is_chosen = ReferenceEquals(batch, result.Chosen),
            is_pareto = batch.IsPareto,
            best = batch.Best is { } best ? Solution(batch.Search, best) : null,
        }),
        sweep = result.Sweep.Select(point => new
        {
            target = point.Step.Text,
            loads = point.Loads.Select(load => new { scenario = load.Scenario, batch = load.Batch }),
            score = point.Best?.Score,
            lower_bound = point.Best?.Certificate!.LowerBound,
            gap = point.Best?.Certificate!.Gap,
            greedy_score = point.ScoreOf("greedy"),
            uniform_score = point.ScoreOf("uniform"),
            costs = point.Best?.Amounts.Select((amounts, index) => Costs(point.Loads[index], amounts)),
            layers = point.Best?.Variants.Select(variant => variant.Label),
        }),
    };

    private static IEnumerable<object> Loads(LoadSetSearch search) => search.Loads.Select(load => new
    {
        scenario = load.Scenario,
        batch = load.Batch,
        queued_prompts = load.QueuedPrompts,
        input_length = load.InputLength,
        output_length = load.OutputLength,
        machine = load.Machine,
        predicted = load.IsPredicted,
    });

    private static object Solution(LoadSetSearch search, ServedSolution solution) => new
    {
        name = solution.Name,
        score = solution.Score,
        status = solution.Certificate is { } result ? result.Status.ToString().ToLowerInvariant() : null,
        lower_bound = solution.Certificate?.LowerBound,
        lagrangian_bound = solution.Certificate?.RootBound,
        gap = solution.Certificate?.Gap,
        nodes = solution.Certificate?.Nodes,
        costs = solution.Amounts.Select((amounts, index) => Costs(search.Loads[index], amounts)),
        layers = solution.Variants.Select(variant => new { mixer = variant.Mixer, feed_forward = variant.FeedForward, score = variant.Score }),
    };

    private static object Costs(LoadTable load, Amounts amounts) => new
    {
        scenario = load.Scenario,
        batch = load.Batch,
        memory_bytes = amounts.MemoryBytes,
        kv_bytes = amounts.KvBytes,
        parameters = amounts.Parameters,
        prefill_seconds = load.HasPhases ? amounts.PrefillSeconds : (double?)null,
        decode_seconds = load.HasPhases ? amounts.DecodeSeconds : (double?)null,
        run_seconds = amounts.RunSeconds,
        throughput = load.GeneratedTokens / amounts.RunSeconds,
        total_throughput = load.AllTokens / amounts.RunSeconds,
    };
}
