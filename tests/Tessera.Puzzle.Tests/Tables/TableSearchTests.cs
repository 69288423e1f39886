using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Puzzle.Tests.Search;

namespace Tessera.Puzzle.Tests.Tables;

public sealed class TableSearchTests
{
    [Fact]
    public void Every_quantity_is_the_formula_of_its_parts()
    {
        var tables = SampleTables.Create(3, 2);
        var load = tables.Loads[0];
        var problem = new TableProblem(tables, tables.Loads, VariantFilter.None);
        int[] choice = [0, tables.Layers[1].Variants.ToList().FindIndex(variant => variant.Label == "kv1 none")];
        var total = problem.Total(load, choice);
        // Batch 4, 12 + 20 positions: 128 cached; kv4 in the first layer and kv1 in the second.
        Assert.Equal((64 + 16) * 128, total.KvBytes);
        Assert.Equal(2000 + 800 + 1800 + 500 + total.KvBytes, total.MemoryBytes);
        Assert.Equal(1000 + 400 + 900 + 250, total.Parameters);
        double prefill = load.Base.PrefillSeconds + load.Mixers["kv4"].PrefillSeconds + load.FeedForwards["ffn512"].PrefillSeconds + load.Mixers["kv1"].PrefillSeconds;
        Assert.Equal(prefill, total.PrefillSeconds, 1e-15);
        Assert.Equal(total.PrefillSeconds + (20 * total.DecodeSeconds), total.RunSeconds, 1e-15);
        double Reached(string target) => TargetLimits.Reached(Target.Parse(target), load, total, problem.Parent(load));
        Assert.Equal(4 * 20 / total.RunSeconds, Reached("throughput>=1"));
        Assert.Equal(4 * 20 / total.RunSeconds, Reached("generation-throughput>=1"));
        Assert.Equal(4 * 32 / total.RunSeconds, Reached("total-throughput>=1"));
        Assert.Equal(total.RunSeconds, Reached("latency<=1s"));
        Assert.Equal(problem.Parent(load).DecodeSeconds / total.DecodeSeconds, Reached("decode>=1x"));
        Assert.Equal(total.KvBytes / problem.Parent(load).KvBytes, Reached("kv<=10%"));
    }

    [Theory]
    [InlineData("memory<=60%")]
    [InlineData("kv<=50%", "parameters<=70%")]
    [InlineData("throughput>=1.5x")]
    [InlineData("total-throughput>=1.5x", "memory<=80%")]
    [InlineData("latency>=1.6x")]
    [InlineData("ttft>=1.5x", "decode>=1.3x")]
    [InlineData("attention-layers<=2", "ffn-layers>=3")]
    [InlineData("layers<=4", "attention-layers>=50%")]
    [InlineData("count(attention:linear)>=2", "count(ffn:none)<=0", "memory<=70%")]
    public void The_best_choice_is_that_of_visiting_every_one(params string[] texts)
    {
        Target[] targets = [.. texts.Select(text => Target.Parse(text))];
        for (int seed = 0; seed < 4; seed++)
        {
            var tables = SampleTables.Create(seed, 4);
            var result = TableSearch.Run(tables, new TableSearchSettings { Targets = targets });
            var best = result.Chosen.Best!;
            Assert.Equal(Enumerate(tables, targets, tables.Loads[0]), best.Score, 1e-9);
            Assert.True(Meets(tables, best.Variants, targets, tables.Loads[0]));
            Assert.InRange(best.Certificate!.LowerBound, best.Certificate.RootBound - 1e-12, best.Score);
            Assert.All(result.Baselines, baseline => Assert.True(Meets(tables, baseline.Variants, targets, tables.Loads[0])));
            Assert.All(result.Baselines, baseline => Assert.True(baseline.Score >= best.Score - 1e-9));
        }
    }

    [Fact]
    public void The_margin_tightens_limits_of_time_alone()
    {
        var tables = SampleTables.Create(2);
        Target[] targets = [Target.Parse("memory<=60%"), Target.Parse("throughput>=1.5x"), Target.Parse("ttft<=1ms")];
        var problem = new TableProblem(tables, tables.Loads, VariantFilter.None);
        var plain = problem.Build(targets, 0);
        var tight = problem.Build(targets, 0.25);
        Assert.Equal(plain.Resources[0].Maximum, tight.Resources[0].Maximum);
        Assert.Equal(plain.Resources[2].Maximum / 1.25, tight.Resources[2].Maximum, 1e-15);
        Assert.Equal(plain.Resources[4].Maximum / 1.25, tight.Resources[4].Maximum, 1e-15);
        Assert.Equal(1e-3, plain.Resources[2].Maximum);
    }

    [Fact]
    public void Every_batch_is_solved_and_the_best_and_the_Pareto_set_are_kept()
    {
        var tables = SampleTables.Create(5, 4, ("chat", 1), ("chat", 4), ("chat", 16), ("chat", 64));
        double rate = Parent(tables, tables.Loads[1]);
        Target[] targets = [Target.Parse(FormattableString.Invariant($"throughput>={rate * 1.4}")), Target.Parse("memory<=100KiB")];
        var result = TableSearch.Run(tables, new TableSearchSettings { Targets = targets });
        Assert.Equal([1, 4, 16, 64], result.Batches.Select(batch => batch.Search.Loads[0].Batch));
        foreach (var batch in result.Batches)
        {
            double expected = Enumerate(tables, targets, batch.Search.Loads[0]);
            Assert.Equal(expected, batch.Best?.Score ?? double.PositiveInfinity, 1e-9);
        }

        Assert.Equal(result.Batches.Min(batch => batch.Best?.Score ?? double.PositiveInfinity), result.Chosen.Best!.Score);
        Assert.True(result.Chosen.IsPareto);
        // A larger batch is faster but needs more room for keys and values; one that is slower as well is not worth having.
        Assert.True(result.Batches.Count(batch => batch.IsPareto) >= 2);
        LoadTime Slow(LoadTime time) => LoadTime.OfPhases(10 * time.PrefillSeconds, 10 * time.DecodeSeconds, 20);
        var slow = tables.Loads[1] with
        {
            Batch = 8,
            Base = Slow(tables.Loads[1].Base),
            Mixers = tables.Loads[1].Mixers.ToDictionary(pair => pair.Key, pair => Slow(pair.Value)),
            FeedForwards = tables.Loads[1].FeedForwards.ToDictionary(pair => pair.Key, pair => Slow(pair.Value)),
        };
        var dominated = TableSearch.Run(tables with { Loads = [tables.Loads[1], slow] }, new TableSearchSettings());
        Assert.Equal([true, false], dominated.Batches.Select(batch => batch.IsPareto));
        Assert.Equal(4, dominated.Chosen.Search.Loads[0].Batch);
        var few = TableSearch.Run(tables, new TableSearchSettings { Targets = targets, Batches = [16, 4] });
        Assert.Equal([4, 16], few.Batches.Select(batch => batch.Search.Loads[0].Batch));
        var error = Assert.Throws<ArgumentException>(() => TableSearch.Run(tables, new TableSearchSettings { Batches = [4, 5] }));
        Assert.Equal("--batch 5: the tables hold no times of this batch", error.Message);
    }

    [Fact]
    public void Limits_hold_in_every_scenario_or_in_the_one_that_they_name()
    {
        var tables = SampleTables.Create(6, 4, ("chat", 4), ("code", 16));
        Target[] everywhere = [Target.Parse("decode>=1.5x")];
        Target[] chat = [Target.Parse("decode@chat>=1.5x")];
        var robust = TableSearch.Run(tables, new TableSearchSettings { Targets = everywhere });
        var narrow = TableSearch.Run(tables, new TableSearchSettings { Targets = chat });
        Assert.Single(robust.Batches);
        foreach (var load in tables.Loads)
        {
            Assert.True(Meets(tables, robust.Chosen.Best!.Variants, everywhere, load));
        }

        Assert.True(Meets(tables, narrow.Chosen.Best!.Variants, everywhere, tables.Loads[0]));
        Assert.True(narrow.Chosen.Best!.Score <= robust.Chosen.Best!.Score);
        var only = TableSearch.Run(tables, new TableSearchSettings { Targets = everywhere, Scenarios = ["code"] });
        Assert.Equal("code", Assert.Single(only.Chosen.Search.Loads).Scenario);
        var error = Assert.Throws<ArgumentException>(() => TableSearch.Run(tables, new TableSearchSettings { Targets = [Target.Parse("decode@maths>=1.5x")] }));
        Assert.Equal("decode@maths>=1.5x: there is no scenario maths, expected chat or code", error.Message);
        Assert.Throws<ArgumentException>(() => TableSearch.Run(tables, new TableSearchSettings { Scenarios = ["maths"] }));
    }

    [Fact]
    public void The_worst_scenario_and_the_weighted_mean_are_those_of_visiting_every_choice()
    {
        int different = 0;
        for (int seed = 0; seed < 6; seed++)
        {
            var tables = SampleTables.Create(seed, 3, ("chat", 4), ("code", 4));
            tables = tables with { Loads = [tables.Loads[0] with { Weight = 3 }, tables.Loads[1]] };
            Target[] targets = [Target.Parse("memory<=60%"), Target.Parse("decode>=1.3x")];
            var worst = TableSearch.Run(tables, new TableSearchSettings { Targets = targets, Objective = ScoreObjective.Worst }).Chosen.Best!;
            var weighted = TableSearch.Run(tables, new TableSearchSettings { Targets = targets }).Chosen.Best!;
            double leastWorst = double.PositiveInfinity, leastMean = double.PositiveInfinity;
            foreach (var variants in All(tables).Where(variants => tables.Loads.All(load => Meets(tables, variants, targets, load))))
            {
                double chat = variants.Sum(variant => variant.ScoreIn("chat")), code = variants.Sum(variant => variant.ScoreIn("code"));
                leastWorst = Math.Min(leastWorst, Math.Max(chat, code));
                leastMean = Math.Min(leastMean, ((3 * chat) + code) / 4);
            }

            Assert.Equal(leastMean, weighted.Score, 1e-9);
            Assert.InRange(worst.Score, leastWorst - 1e-9, leastWorst * (1 + 2e-4));
            Assert.InRange(worst.Certificate!.LowerBound, 0, leastWorst + 1e-9);
            Assert.Equal(worst.Score, Math.Max(worst.Variants.Sum(v => v.ScoreIn("chat")), worst.Variants.Sum(v => v.ScoreIn("code"))), 1e-12);
            different += worst.Choice.SequenceEqual(weighted.Choice) ? 0 : 1;
        }

        Assert.True(different >= 2, $"the two objectives chose alike {6 - different} of 6 times");
    }

    [Fact]
    public void A_sweep_solves_every_step_and_its_curve_never_falls_where_the_limit_tightens()
    {
        var tables = SampleTables.Create(7, 4);
        var range = SweepRange.Parse("memory=100%..40%/4");
        Assert.Equal(["memory<=100%", "memory<=80%", "memory<=60%", "memory<=40%"], range.Steps.Select(step => step.Text));
        // The sweep takes the place of the target on the same quantity and keeps the others.
        Target[] others = [Target.Parse("decode>=1.1x")];
        var result = TableSearch.Run(tables, new TableSearchSettings { Targets = [.. others, Target.Parse("memory<=90%")], Sweep = range });
        Assert.Equal(4, result.Sweep.Count);
        double last = 0;
        foreach (var point in result.Sweep)
        {
            Assert.Equal(Enumerate(tables, [.. others, point.Step], tables.Loads[0]), point.Best!.Score, 1e-9);
            Assert.True(point.Best.Score >= last);
            Assert.True(point.ScoreOf("greedy") is not { } greedy || greedy >= point.Best.Score - 1e-9);
            last = point.Best.Score;
        }

        string[] rows = SweepCsv.Text(result.Sweep).TrimEnd('\n').Split('\n');
        Assert.Equal(5, rows.Length);
        Assert.All(rows, row => Assert.Equal(19, row.Split(',').Length));
        Assert.StartsWith("memory<=40%,0.4,chat,4,optimal,", rows[4], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("throughput=1x..3x/3", "throughput>=1x", "throughput>=2x", "throughput>=3x")]
    [InlineData("ttft=200ms..100ms/3", "ttft<=200ms", "ttft<=150ms", "ttft<=100ms")]
    [InlineData("attention-layers=8..4/3", "attention-layers<=8", "attention-layers<=6", "attention-layers<=4")]
    [InlineData("kv@chat=2GiB..1GiB/3", "kv@chat<=2GiB", "kv@chat<=1.5GiB", "kv@chat<=1GiB")]
    public void A_range_is_read_in_human_units(string text, params string[] steps) =>
        Assert.Equal(steps, SweepRange.Parse(text).Steps.Select(step => step.Text));

    [Theory]
    [InlineData("memory=100%..40%")]
    [InlineData("memory=100%..40GiB/5")]
    [InlineData("memory=100%/5")]
    [InlineData("memory=100%..40%/1")]
    [InlineData("memory")]
    public void What_is_no_range_is_refused(string text) =>
        Assert.StartsWith("--sweep", Assert.Throws<ArgumentException>(() => SweepRange.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Impossible_limits_are_answered_with_targets_that_can_be_met()
    {
        var tables = SampleTables.Create(8, 4);
        var error = Assert.Throws<InfeasibleTargetException>(() => TableSearch.Run(
            tables, new TableSearchSettings { Targets = [Target.Parse("decode>=200x"), Target.Parse("memory<=90%")], Margin = 0.03 }));
        Assert.Contains("No selection meets decode time a token of chat, batch 4", error.Message, StringComparison.Ordinal);
        string nearest = error.Message[error.Message.IndexOf("decode>=", StringComparison.Ordinal)..].TrimEnd('.');
        // What it offers can indeed be met, and not by a mere margin.
        var solved = TableSearch.Run(tables, new TableSearchSettings { Targets = [Target.Parse(nearest), Target.Parse("memory<=90%")], Margin = 0.03 });
        Assert.NotNull(solved.Chosen.Best);
        Assert.Throws<InfeasibleTargetException>(() => TableSearch.Run(tables, new TableSearchSettings
        {
            Targets = [Target.Parse(nearest) with { Value = 1.02 * Target.Parse(nearest).Value }, Target.Parse("memory<=90%")],
            Margin = 0.03,
        }));
    }

    [Fact]
    public void Further_solutions_differ_and_binding_limits_have_a_price()
    {
        var tables = SampleTables.Create(9, 10);
        var settings = new TableSearchSettings { Targets = [Target.Parse("memory<=55%"), Target.Parse("parameters<=95%")], Solutions = 3, Difference = 0.3 };
        var result = TableSearch.Run(tables, settings);
        Assert.Equal(["best", "solution 2", "solution 3"], result.Chosen.Solutions.Select(solution => solution.Name));
        Assert.True(result.Chosen.Solutions[1].Choice.Zip(result.Chosen.Solutions[0].Choice).Count(pair => pair.First != pair.Second) >= 3);
        var uses = result.Chosen.Search.Limits(result.Chosen.Best!);
        Assert.Equal(2, uses.Count);
        Assert.True(uses[0].Saving > 0 && uses[0].Text.Contains("would lower the score by about", StringComparison.Ordinal), uses[0].Text);
        Assert.True(uses[1].Saving == 0 && uses[1].Text.EndsWith("it does not bind", StringComparison.Ordinal), uses[1].Text);
        // About what a hundredth more memory saves, since the relaxation is convex in its limit.
        var more = TableSearch.Run(tables, settings with { Targets = [Target.Parse("memory<=60.5%"), Target.Parse("parameters<=95%")], Solutions = 1 });
        double saved = result.Chosen.Best!.Certificate!.RootBound - more.Chosen.Best!.Certificate!.RootBound;
        Assert.InRange(saved, 0, 10 * uses[0].Saving * 1.0001);
    }

    private static double Parent(SearchTables tables, LoadTable load) =>
        load.GeneratedTokens / new TableProblem(tables, [load], VariantFilter.None).Parent(load).RunSeconds;

    private static double Enumerate(SearchTables tables, Target[] targets, LoadTable load) => All(tables)
        .Where(variants => Meets(tables, variants, targets, load)).Select(variants => variants.Sum(variant => variant.Score))
        .DefaultIfEmpty(double.PositiveInfinity).Min();

    private static IEnumerable<ScoredVariant[]> All(SearchTables tables)
    {
        var problem = new SearchProblem([.. tables.Layers.Select(layer => (IReadOnlyList<Choice>)[.. layer.Variants.Select(v => new Choice(v.Label, 0, []))])], []);
        return BruteForce.All(problem).Select(choice => choice.Select((index, layer) => tables.Layers[layer].Variants[index]).ToArray());
    }

    // Sums of its own, straight from the tables.
    private static bool Meets(SearchTables tables, IReadOnlyList<ScoredVariant> variants, Target[] targets, LoadTable load)
    {
        (double Memory, double Kv, double Parameters, double Prefill, double Decode) Sum(IEnumerable<(string Mixer, string FeedForward)> halves)
        {
            double weights = tables.Base.WeightBytes, kv = 0, parameters = tables.Base.Parameters;
            double prefill = load.Base.PrefillSeconds, decode = load.Base.DecodeSeconds;
            foreach (var (m, f) in halves)
            {
                weights += tables.Mixers[m].WeightBytes + tables.FeedForwards[f].WeightBytes;
                kv += tables.Mixers[m].KvBytesPerToken * load.Batch * (load.InputLength + load.OutputLength);
                parameters += tables.Mixers[m].Parameters + tables.FeedForwards[f].Parameters;
                prefill += load.Mixers[m].PrefillSeconds + load.FeedForwards[f].PrefillSeconds;
                decode += load.Mixers[m].DecodeSeconds + load.FeedForwards[f].DecodeSeconds;
            }

            return (weights + kv, kv, parameters, prefill, decode);
        }

        var child = Sum(variants.Select(variant => (variant.Mixer, variant.FeedForward)));
        var parent = Sum(tables.Layers.Select(layer => (layer.Mixer, layer.FeedForward)));
        double Run((double Memory, double Kv, double Parameters, double Prefill, double Decode) of) => of.Prefill + (load.OutputLength * of.Decode);
        int count = tables.Layers.Count;
        foreach (var target in targets.Where(target => target.HoldsIn(load.Scenario)))
        {
            double scale = target.IsRelative ? count : 1;
            (double value, double limit) = target.Quantity switch
            {
                TargetQuantity.Memory => (child.Memory, target.IsRelative ? target.Value * parent.Memory : target.Value),
                TargetQuantity.KvCache => (child.Kv, target.IsRelative ? target.Value * parent.Kv : target.Value),
                TargetQuantity.Parameters => (child.Parameters, target.Value * parent.Parameters),
                TargetQuantity.Prefill => (target.Value * child.Prefill, parent.Prefill),
                TargetQuantity.Decode => (target.Value * child.Decode, parent.Decode),
                TargetQuantity.Latency => (target.Value * Run(child), Run(parent)),
                TargetQuantity.Throughput or TargetQuantity.TotalThroughput when target.IsRelative => (target.Value * Run(child), Run(parent)),
                TargetQuantity.Throughput => (target.Value * Run(child), load.Batch * load.OutputLength),
                TargetQuantity.AttentionLayers => (variants.Count(variant => variant.Mixer.StartsWith("kv", StringComparison.Ordinal)), target.Value * scale),
                TargetQuantity.FeedForwardLayers => (variants.Count(variant => variant.FeedForward.StartsWith("ffn", StringComparison.Ordinal)), target.Value * scale),
                TargetQuantity.Layers => (variants.Count(variant => variant.Label != "none none"), target.Value * scale),
                TargetQuantity.Variants => (variants.Where((v, layer) => target.Selector!.Matches(layer, ("kv4", "ffn512"), (v.Mixer, v.FeedForward))).Count(), target.Value * scale),
                _ => throw new InvalidOperationException($"{target.Quantity}"),
            };
            bool isCount = target.Quantity >= TargetQuantity.Layers;
            bool isMet = isCount && !target.IsMaximum ? value >= limit - 1e-9 : value <= limit + (1e-9 * Math.Max(1e-6, Math.Abs(limit)));
            if (!isMet)
            {
                return false;
            }
        }

        return true;
    }
}
