using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class AdamWTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(10007)]
    public void Ten_steps_match_the_reference(int count)
    {
        using var device = new CpuDevice(3);
        using var parameter = GuardedFloats.Random(count, 1, misalignment: 1);
        using var first = GuardedFloats.Zeros(count);
        using var second = GuardedFloats.Zeros(count);
        double[] start = RowData.Wide(parameter.Span), p = RowData.Wide(parameter.Span), m = new double[count], v = new double[count];
        for (int step = 1; step <= 10; step++)
        {
            var settings = new AdamWSettings
            {
                LearningRate = 0.01 / step,
                Beta1 = 0.9,
                Beta2 = 0.95,
                Epsilon = 1e-6,
                WeightDecay = 0.1,
                Step = step,
                GradientScale = 0.7,
            };
            using var gradient = GuardedFloats.Random(count, 100 + step, misalignment: 2);
            AdamW.Step(device, parameter.Pointer, gradient.Pointer, first.Pointer, second.Pointer, count, settings);
            AdamW.ReferenceStep(p, RowData.Wide(gradient.Span), m, v, settings);
            gradient.AssertGuardsIntact();
        }

        Errors.AssertClose(parameter.Checked(), p, 3e-7, "parameter");
        Errors.AssertClose(first.Checked(), m, 1e-6, "first moment");
        Errors.AssertClose(second.Checked(), v, 1e-6, "second moment");
        Assert.True(count == 0 || Errors.RelativeL2(parameter.Span, start) > 1e-3, "the parameters did not move");
    }

    [Fact]
    public void A_constant_gradient_moves_every_step_by_the_learning_rate()
    {
        // With g constant both corrected moments are g and g², whatever the decays: the step is lr · g / (|g| + ε).
        using var device = new CpuDevice(1);
        using var parameter = GuardedFloats.Zeros(3);
        using var gradient = GuardedFloats.From([2f, -0.5f, 1e-3f]);
        using var first = GuardedFloats.Zeros(3);
        using var second = GuardedFloats.Zeros(3);
        for (int step = 1; step <= 20; step++)
        {
            var settings = new AdamWSettings { LearningRate = 0.125, Step = step, Epsilon = 0 };
            AdamW.Step(device, parameter.Pointer, gradient.Pointer, first.Pointer, second.Pointer, 3, settings);
            Errors.AssertClose(parameter.Span, [-0.125 * step, 0.125 * step, -0.125 * step], 1e-5, $"step {step}");
        }
    }

    [Fact]
    public void Decay_alone_shrinks_the_parameter_geometrically()
    {
        using var device = new CpuDevice(1);
        using var parameter = GuardedFloats.From([4f, -8f]);
        using var gradient = GuardedFloats.Zeros(2);
        using var first = GuardedFloats.Zeros(2);
        using var second = GuardedFloats.Zeros(2);
        for (int step = 1; step <= 5; step++)
        {
            var settings = new AdamWSettings { LearningRate = 0.5, WeightDecay = 0.2, Step = step };
            AdamW.Step(device, parameter.Pointer, gradient.Pointer, first.Pointer, second.Pointer, 2, settings);
        }

        Errors.AssertClose(parameter.Span, [4 * Math.Pow(0.9, 5), -8 * Math.Pow(0.9, 5)], 5e-7, "decayed");
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits() => RowData.AssertSameBits(device =>
    {
        using var parameter = GuardedFloats.Random(10_007, 1);
        using var gradient = GuardedFloats.Random(10_007, 2);
        using var first = GuardedFloats.Random(10_007, 3);
        using var second = GuardedFloats.From(gradient.Span);
        Residual.Scale(device, second.Pointer, 0f, second.Length);
        var settings = new AdamWSettings { LearningRate = 0.01, WeightDecay = 0.1, Step = 7 };
        AdamW.Step(device, parameter.Pointer, gradient.Pointer, first.Pointer, second.Pointer, parameter.Length, settings);
        return [.. parameter.Span, .. first.Span, .. second.Span];
    });

    [Fact]
    public void Steps_below_one_and_decays_outside_the_unit_interval_are_refused()
    {
        using var device = new CpuDevice(1);
        var good = new AdamWSettings { LearningRate = 1, Step = 1 };
        foreach (AdamWSettings bad in (AdamWSettings[])[good with { Step = 0 }, good with { Beta1 = 1 }, good with { Beta2 = -0.1 }])
        {
            Assert.Throws<ArgumentException>(() => AdamW.Step(device, null, null, null, null, 0, bad));
        }
    }
}
