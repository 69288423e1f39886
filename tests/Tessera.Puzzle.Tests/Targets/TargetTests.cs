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
    [InlineData("kv<=10GiB", TargetQuantity.KvCache, 10737418240.0, false)]
    [InlineData("kv<=50%", TargetQuantity.KvCache, 0.5, true)]
    [InlineData("ttft<=500ms", TargetQuantity.Prefill, 0.5, false)]
    [InlineData("latency<=5s", TargetQuantity.Latency, 5, false)]
    [InlineData("Latency>=2x", TargetQuantity.Latency, 2, true)]
    [InlineData("generation-throughput>=2x", TargetQuantity.Throughput, 2, true)]
    [InlineData("total-throughput>=4700", TargetQuantity.TotalThroughput, 4700, false)]
    [InlineData("attention-layers<=20", TargetQuantity.AttentionLayers, 20, false)]
    [InlineData("ffn-layers>=75%", TargetQuantity.FeedForwardLayers, 0.75, true)]
    [InlineData("layers<=60", TargetQuantity.Layers, 60, false)]
    [InlineData("count(attention:none)<=0", TargetQuantity.Variants, 0, false)]
    [InlineData("count(kv2 ffn128@0-3) >= 2", TargetQuantity.Variants, 2, false)]
    public void Targets_are_read_in_human_units(string text, TargetQuantity quantity, double value, bool isRelative)
    {
        var target = Target.Parse(text);
        Assert.Equal((quantity, isRelative), (target.Quantity, target.IsRelative));
        Assert.Equal(value, target.Value, 1e-9 * value);
    }

    [Fact]
    public void A_target_may_hold_in_one_scenario_and_counts_keep_their_side()
    {
        var chat = Target.Parse("throughput@chat>=900");
        Assert.Equal(("chat", false), (chat.Scenario, chat.IsMaximum));
        Assert.True(chat.HoldsIn("chat"));
        Assert.False(chat.HoldsIn("code"));
        Assert.True(Target.Parse("memory<=1GiB").HoldsIn("code"));
        Assert.True(Target.Parse("attention-layers<=3").IsMaximum);
        Assert.False(Target.Parse("attention-layers>=3").IsMaximum);
        Assert.Equal("attention:none@0-3", Target.Parse("count(attention:none@0-3)<=2").Selector!.Text);
    }

    [Theory]
    [InlineData("decode>=1.5x", 20.337, "decode>=20.33x")]
    [InlineData("memory<=60%", 0.41237, "memory<=41.24%")]
    [InlineData("memory@chat<=40GiB", 42949672960.0, "memory@chat<=40GiB")]
    [InlineData("ttft<=500ms", 0.0123456, "ttft<=12.35ms")]
    [InlineData("throughput>=900", 123.456, "throughput>=123.4")]
    [InlineData("attention-layers<=3", 4, "attention-layers<=4")]
    public void Another_value_is_written_on_the_side_that_still_meets_it(string target, double value, string expected) =>
        Assert.Equal(expected, Target.Parse(target).WithValue(value));

    [Theory]
    [InlineData("speed>=2x")]
    [InlineData("throughput@>=900")]
    [InlineData("parameters@chat<=50%")]
    [InlineData("kv>=1GiB")]
    [InlineData("latency<=2x")]
    [InlineData("attention-layers<=2.5")]
    [InlineData("count(attention)<=2")]
    [InlineData("count(attention:none@x)<=2")]
    [InlineData("count()<=2")]
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
