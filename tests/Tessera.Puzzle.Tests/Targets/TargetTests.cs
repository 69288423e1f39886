using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tests.Targets;

public class TargetTests
{
    [Theory]
    [InlineData("memory<=40GiB", TargetQuantity.Memory, 42949672960.0, false)]
    [InlineData("parameters<=60%", TargetQuantity.Parameters, 0.6, true)]
    [InlineData("parameters<=3M", TargetQuantity.Parameters, 3e6, false)]
    [InlineData("prefill<=50ms", TargetQuantity.Prefill, 0.05, false)]
    [InlineData("decode>=1.5x", TargetQuantity.Decode, 1.5, true)]
    [InlineData("decode <= 2ms", TargetQuantity.Decode, 0.002, false)]
    [InlineData("throughput>=900", TargetQuantity.Throughput, 900, false)]
    [InlineData("throughput>=2x", TargetQuantity.Throughput, 2, true)]
    public void Targets_are_read_in_human_units(string text, TargetQuantity quantity, double value, bool isRelative)
    {
        var target = Target.Parse(text);
        Assert.Equal((quantity, isRelative), (target.Quantity, target.IsRelative));
        Assert.Equal(value, target.Value, 1e-9 * value);
    }

    [Theory]
    [InlineData("speed>=2x")]
    [InlineData("memory")]
    [InlineData("memory<=")]
    [InlineData("memory>=1GiB")]
    [InlineData("throughput<=900")]
    [InlineData("decode<=1.5x")]
    [InlineData("decode>=2ms")]
    [InlineData("parameters<=-3")]
    [InlineData("parameters<=nan%")]
    [InlineData("0<=3")]
    public void What_is_no_target_is_refused_in_a_sentence(string text)
    {
        var error = Record.Exception(() => Target.Parse(text));
        Assert.True(error is ArgumentException or InvalidDataException, $"{error}");
        Assert.StartsWith("--target", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_relative_speed_limit_holds_the_sum_of_base_and_blocks()
    {
        var table = new ChoiceTable(Parent(), Costs());
        var problem = table.Problem((_, v) => v.FeedForward is NoFeedForwardConfiguration ? 1 : 0, [Target.Parse("decode>=1.25x")], 0);
        // Parent: base 2 + 2 layers (3 + 5) = 18 µs; the limit is 14.4 µs; without one FFN 13 µs.
        Assert.Equal(18e-6, table.Total([0, 0]).DecodeSeconds, 1e-12);
        Assert.Equal(14.4e-6, problem.Resources[3].Maximum, 1e-12);
        var result = ExactSolver.Solve(problem);
        Assert.True(table.Total(result.Choice).DecodeSeconds <= 14.4e-6);
    }

    [Fact]
    public void Memory_counts_weights_and_the_scenarios_cache()
    {
        var table = new ChoiceTable(Parent(), Costs());
        var cost = table.Cost(new BlockVariant(new AttentionConfiguration(2), new SwiGluConfiguration(16)));
        Assert.Equal(200 + 400 + (16 * 2 * 10), cost.MemoryBytes);
    }

    private static ModelConfiguration Parent() => new()
    {
        VocabularySize = 10,
        HiddenSize = 8,
        HeadCount = 2,
        HeadDim = 4,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 1e4,
        MaxPositions = 64,
        Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(2), new SwiGluConfiguration(16)), 2)],
    };

    private static CostTable Costs()
    {
        var shape = Parent().Layers[0];
        return new CostTable
        {
            Scenario = new ServingScenario(2, 4, 6, DType.BF16, 1),
            Machine = "none",
            Rounds = 1,
            Base = new VariantCost("base", 80, 160, 0, 1e-6, 2e-6, 0),
            Mixers = VariantGrid.Mixers(shape.Mixer).ToDictionary(m => m.ToString(), m => m is NoMixerConfiguration
                ? VariantCost.None("none") : new VariantCost(m.ToString(), 100, 200, 16, 4e-6, 3e-6, 0)),
            FeedForwards = VariantGrid.FeedForwards(shape.FeedForward).ToDictionary(f => f.ToString(), f => f is NoFeedForwardConfiguration
                ? VariantCost.None("none") : new VariantCost(f.ToString(), 200, 400, 0, 6e-6, 5e-6, 0)),
        };
    }
}
