using Tessera.Devices;

namespace Tessera.Tensors.Tests;

public sealed unsafe class PackedWeightsTests : IDisposable
{
    private const int Tokens = 40;
    private readonly CpuDevice _device = new(2);
    private readonly Arena _arena = new("packed weights test");

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_changed_master_is_packed_again()
    {
        var weight = Filled(DType.F32, 33, 50);
        using var packed = new PackedWeights([weight]);
        Assert.True(weight.KeepsPacked);
        float[] first = Apply(weight);
        weight.Floats[7] += 1;
        float[] stale = Apply(weight);
        Assert.Equal(first, stale);
        weight.MarkChanged();
        float[] fresh = Apply(weight);
        Assert.NotEqual(first, fresh);
        packed.Dispose();
        Assert.False(weight.KeepsPacked);
        Assert.Equal(Apply(weight), fresh);
    }

    [Fact]
    public void A_plan_leaves_a_changed_master_to_be_packed_when_it_is_needed()
    {
        var weight = Filled(DType.F32, 33, 50);
        using var packed = new PackedWeights([weight]);
        Apply(weight);
        weight.Floats[7] += 1;
        weight.MarkChanged();
        using (var planning = _device.ForPlanning())
        using (var arena = planning.CreateArena("plan"))
        {
            var executor = new Executor(planning, arena, null);
            executor.Linear(executor.Allocate(Tokens, weight.Columns), weight);
        }

        float[] fresh = Apply(weight);
        packed.Dispose();
        Assert.Equal(Apply(weight), fresh);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Packed_weights_change_no_bit(DType type)
    {
        var weight = Filled(type, 70, 300);
        float[] expected = Apply(weight);
        using var packed = new PackedWeights([weight]);
        Assert.Equal(weight.PackedBytes, packed.Bytes);
        Assert.Equal(expected, Apply(weight));
    }

    [Fact]
    public void Forms_beyond_the_limit_are_not_kept_at_all()
    {
        var small = Filled(DType.F32, 8, 8);
        var large = Filled(DType.F32, 64, 64);
        using var packed = new PackedWeights([small, large], large.PackedBytes);
        Assert.False(small.KeepsPacked);
        Assert.False(large.KeepsPacked);
        Assert.Equal(0, packed.Bytes);
    }

    [Fact]
    public void A_form_that_somebody_keeps_is_left_to_him()
    {
        var weight = Filled(DType.F32, 8, 8);
        using var first = new PackedWeights([weight]);
        using (var second = new PackedWeights([weight]))
        {
            Assert.Equal(0, second.Bytes);
        }

        Assert.True(weight.KeepsPacked);
    }

    private Parameter Filled(DType type, int rows, int columns)
    {
        var weight = new Parameter("weight", rows, columns, type, _arena);
        var random = new CounterRandom(5, (ulong)rows);
        for (int i = 0; i < weight.Count; i++)
        {
            float value = random.NextGaussian();
            if (type == DType.F32)
            {
                weight.Floats[i] = value;
            }
            else
            {
                ((ushort*)weight.Address)[i] = Bf16.Round(value);
            }
        }

        weight.MarkChanged();
        return weight;
    }

    private float[] Apply(Parameter weight)
    {
        var executor = new Executor(_device, _arena, null);
        var input = executor.Allocate(Tokens, weight.Columns);
        var random = new CounterRandom(6, 1);
        for (int i = 0; i < input.Count; i++)
        {
            input.Data.Floats[i] = random.NextGaussian();
        }

        var output = executor.Linear(input, weight);
        return new ReadOnlySpan<float>(output.Data.Floats, (int)output.Count).ToArray();
    }
}
