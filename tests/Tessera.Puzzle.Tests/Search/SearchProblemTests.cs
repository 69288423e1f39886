using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

public sealed class SearchProblemTests
{
    // Published figures of the 70B demonstration: 80 layers, batch 256 x 1,200 tokens, milliseconds and MiB of one layer.
    private const double ParentMilliseconds = 816.97;
    private const double ParentMebibytes = 1437.11;

    [Fact]
    public void Throughput_target_becomes_the_published_limit_on_run_time()
    {
        Resource limit = SearchLimits.Throughput("demo", 6000, 256 * 1200);
        Assert.Equal(51.2, limit.Maximum, 12);
        Assert.Equal("46.9802 s (6,538.92 tokens/s)", ResourceFormat.Human(limit, 46.9802));
        Assert.Equal(double.PositiveInfinity, SearchLimits.Throughput("demo", 0, 1).Maximum);
    }

    [Fact]
    public void Published_limits_of_85_percent_are_that_share_of_80_parent_layers()
    {
        Choice[] parent = [new("parent", 0, [ParentMebibytes, ParentMilliseconds])];
        var problem = new SearchProblem([.. Enumerable.Repeat(parent, 80)], [new("MiB"), new("ms")]);
        double[] totals = problem.TotalsOf(new int[80]);
        Assert.InRange(0.85 * totals[0], 97_723, 97_724);
        Assert.InRange(0.85 * totals[1], 55_553, 55_555);
    }

    [Fact]
    public void Best_uniform_variant_under_the_published_limits_is_the_quarter_width_ffn_with_attention()
    {
        // Median scores and the costs of every full-attention width and of the two no-attention ends.
        Choice[] layer =
        [
            new("parent", 0, [1437.11, 816.97]), new("ffn 75%", .1115, [1269.1, 708.5]), new("ffn 62%", .1367, [1185.1, 660.0]),
            new("ffn 50%", .1624, [1101.1, 580.2]), new("ffn 25%", .2324, [933.1, 484.2]), new("ffn 20%", .2590, [897.1, 469.7]),
            new("ffn 10%", .3111, [831.1, 437.8]), new("ffn none", .4567, [765.1, 353.8]),
            new("no attention", .2787, [672.0, 463.2]), new("nothing", .5024, [0, 0]),
        ];
        var problem = new SearchProblem([.. Enumerable.Repeat(layer, 80)], [new("MiB", 80_000), new("ms", 51_200)]);
        BaselineResult? uniform = UniformSearch.Solve(problem);
        Assert.Equal("ffn 25%", layer[uniform!.Choice[0]].Name);
        Assert.InRange(ExactSolver.Solve(problem, new SearchOptions { GapTolerance = 0.05 }).Score, 0, uniform.Score - 1);
    }

    [Fact]
    public void Constant_counts_towards_the_limit_and_sums_equal_to_it_meet_it()
    {
        Choice[] layer = [new("a", 0, [0.1])];
        IReadOnlyList<Choice>[] layers = [.. Enumerable.Repeat(layer, 10)];
        // Sums of 0.1 miss 1.7 by a rounding, which may not break an equality.
        Assert.True(new SearchProblem(layers, [new("size", 1.7, 1.7, 0.7)]).IsFeasible(new int[10]));
        Assert.False(new SearchProblem(layers, [new("size", 1.6999999, Constant: 0.7)]).IsFeasible(new int[10]));
        Assert.False(new SearchProblem(layers, [new("size", Minimum: 1.7000001, Constant: 0.7)]).IsFeasible(new int[10]));
    }

    [Fact]
    public void Bad_figures_are_refused_with_the_layer_and_the_variant()
    {
        Resource[] one = [new("memory")];
        Assert.Equal("layer 1 has no variant to choose", Refusal([[new("a", 0, [1])], []], one));
        Assert.Equal("the score of variant a in layer 0 is NaN, not a finite number", Refusal([[new("a", double.NaN, [1])]], one));
        Assert.Equal("the memory cost of variant a in layer 0 is not a finite number", Refusal([[new("a", 0, [double.NaN])]], one));
        Assert.Equal("variant a in layer 0 has 2 costs for 1 resources", Refusal([[new("a", 0, [1, 2])]], one));
        Assert.Equal("the limits or the constant of memory are not numbers", Refusal([[new("a", 0, [1])]], [new("memory", double.NaN)]));
    }

    [Theory]
    [InlineData(ResourceUnit.Bytes, 1536, "1.5 KiB")]
    [InlineData(ResourceUnit.Bytes, 85_899_345_920, "80 GiB")]
    [InlineData(ResourceUnit.Bytes, 12, "12 bytes")]
    [InlineData(ResourceUnit.Parameters, 7_527_000_000, "7.527B parameters")]
    [InlineData(ResourceUnit.Seconds, 0.0123456789, "12.3457 ms")]
    [InlineData(ResourceUnit.Seconds, 4.2e-6, "4.2 µs")]
    [InlineData(ResourceUnit.Count, -3, "-3")]
    [InlineData(ResourceUnit.Count, 0, "0")]
    public void Amounts_are_printed_with_their_unit(ResourceUnit unit, double amount, string expected)
    {
        Assert.Equal(expected, ResourceFormat.Human(new Resource("x") { Unit = unit }, amount));
    }

    private static string Refusal(IReadOnlyList<IReadOnlyList<Choice>> layers, Resource[] resources) =>
        Assert.Throws<ArgumentException>(() => new SearchProblem(layers, resources)).Message;
}
