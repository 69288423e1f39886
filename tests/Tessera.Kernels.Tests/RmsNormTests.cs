using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class RmsNormTests
{
    private const float Epsilon = 1e-5f;

    public static TheoryData<int, int> Shapes => RowData.Shapes;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_matches_the_reference(int tokens, int width)
    {
        using var device = new CpuDevice(2);
        using var x = GuardedFloats.Random(tokens * width, 1, misalignment: 1);
        using var gain = GuardedFloats.Random(width, 2, misalignment: 3);
        using var y = new GuardedFloats(tokens * width, 5);
        using var inverseRms = new GuardedFloats(tokens);
        RmsNorm.Forward(device, x.Pointer, gain.Pointer, y.Pointer, inverseRms.Pointer, tokens, width, Epsilon);

        var (expected, expectedInverse) = Reference(x.Span, gain.Span, tokens, width);
        Errors.AssertClose(y.Checked(), expected, 1e-6, "y");
        Errors.AssertClose(inverseRms.Checked(), expectedInverse, 1e-6, "inverse rms");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_fused_form_has_the_bits_of_an_addition_and_a_norm(int tokens, int width)
    {
        using var device = new CpuDevice(2);
        using var residual = GuardedFloats.Random(tokens * width, 3);
        using var branch = GuardedFloats.Random(tokens * width, 4);
        using var gain = GuardedFloats.Random(width, 5);
        using var sum = new GuardedFloats(tokens * width);
        using var y = new GuardedFloats(tokens * width);
        using var plain = new GuardedFloats(tokens * width);
        using var inverseRms = new GuardedFloats(tokens);
        Residual.Add(device, residual.Pointer, branch.Pointer, sum.Pointer, tokens * width);
        RmsNorm.Forward(device, sum.Pointer, gain.Pointer, plain.Pointer, null, tokens, width, Epsilon);

        RmsNorm.AddForward(
            device, residual.Pointer, branch.Pointer, residual.Pointer, gain.Pointer, y.Pointer, inverseRms.Pointer,
            tokens, width, Epsilon);

        Assert.Equal(sum.Checked(), residual.Checked());
        Assert.Equal(plain.Checked(), y.Checked());

        // In the branch's place as in the stream's.
        using var stream = GuardedFloats.Random(tokens * width, 3);
        RmsNorm.AddForward(device, stream.Pointer, branch.Pointer, branch.Pointer, gain.Pointer, y.Pointer, null, tokens, width, Epsilon);
        Assert.Equal(sum.Checked(), branch.Checked());
        Assert.Equal(plain.Checked(), y.Checked());
        var (expected, expectedInverse) = Reference(sum.Span, gain.Span, tokens, width);
        Errors.AssertClose(y.Span, expected, 1e-6, "y");
        Errors.AssertClose(inverseRms.Checked(), expectedInverse, 1e-6, "inverse rms");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Backward_matches_the_reference_and_keeps_the_conventions_of_accumulation(int tokens, int width)
    {
        using var device = new CpuDevice(2);
        using var gradY = GuardedFloats.Random(tokens * width, 6, misalignment: 1);
        using var x = GuardedFloats.Random(tokens * width, 7);
        using var gain = GuardedFloats.Random(width, 8);
        using var accumulated = GuardedFloats.Random(tokens * width, 9);
        using var gradGain = GuardedFloats.Random(width, 10);
        var (_, inverse) = Reference(x.Span, gain.Span, tokens, width);
        using var inverseRms = GuardedFloats.From(inverse.Select(value => (float)value).ToArray());

        var expected = new double[tokens * width];
        double[] expectedSum = RowData.Wide(accumulated.Span), expectedGain = RowData.Wide(gradGain.Span);
        double[] wideY = RowData.Wide(gradY.Span), wideX = RowData.Wide(x.Span), wideGain = RowData.Wide(gain.Span);
        RmsNorm.ReferenceBackward(wideY, wideX, wideGain, expected, expectedGain, tokens, width, Epsilon);
        RmsNorm.ReferenceBackward(wideY, wideX, wideGain, expectedSum, new double[width], tokens, width, Epsilon);

        RmsNorm.Backward(
            device, gradY.Pointer, x.Pointer, inverseRms.Pointer, gain.Pointer, accumulated.Pointer, gradGain.Pointer, tokens, width);
        RmsNorm.Backward(
            device, gradY.Pointer, x.Pointer, inverseRms.Pointer, gain.Pointer, gradY.Pointer, null, tokens, width);

        // At a width of one the exact gradient is nearly zero: what is left is the rounding of two equal terms.
        if (width > 1)
        {
            Errors.AssertClose(gradY.Checked(), expected, 2e-6, "gradX in the place of gradY");
        }

        Errors.AssertClose(accumulated.Checked(), expectedSum, 2e-6, "gradX accumulated");
        Errors.AssertClose(gradGain.Checked(), expectedGain, 2e-6, "gradGain");
    }

    [Theory]
    [InlineData(3, 5)]
    [InlineData(2, 1)]
    public void The_reference_agrees_with_central_differences(int tokens, int width)
    {
        double[] x = RowData.Gaussians(tokens * width, 11), gain = RowData.Gaussians(width, 12);
        double[] gradY = RowData.Gaussians(tokens * width, 13);
        double[] gradX = new double[x.Length], gradGain = new double[width];
        RmsNorm.ReferenceBackward(gradY, x, gain, gradX, gradGain, tokens, width, 0.1);
        double Value(double[] atX, double[] atGain)
        {
            var y = new double[x.Length];
            RmsNorm.ReferenceForward(atX, atGain, y, new double[tokens], tokens, width, 0.1);
            return RowData.Dot(y, gradY);
        }

        RowData.AssertIsGradient(at => Value(at, gain), x, gradX);
        RowData.AssertIsGradient(at => Value(x, at), gain, gradGain);
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits()
    {
        const int Tokens = 203, Width = 97;
        RowData.AssertSameBits(device =>
        {
            using var x = GuardedFloats.Random(Tokens * Width, 1);
            using var gradY = GuardedFloats.Random(Tokens * Width, 2);
            using var gain = GuardedFloats.Random(Width, 3);
            using var y = new GuardedFloats(Tokens * Width);
            using var inverseRms = new GuardedFloats(Tokens);
            using var gradX = GuardedFloats.Random(Tokens * Width, 4);
            using var gradGain = GuardedFloats.Zeros(Width);
            RmsNorm.Forward(device, x.Pointer, gain.Pointer, y.Pointer, inverseRms.Pointer, Tokens, Width, Epsilon);
            RmsNorm.Backward(
                device, gradY.Pointer, x.Pointer, inverseRms.Pointer, gain.Pointer, gradX.Pointer, gradGain.Pointer, Tokens, Width);
            RmsNorm.Backward(
                device, gradY.Pointer, x.Pointer, inverseRms.Pointer, gain.Pointer, gradY.Pointer, gradGain.Pointer, Tokens, Width);
            return [.. y.Span, .. inverseRms.Span, .. gradX.Span, .. gradY.Span, .. gradGain.Span];
        });
    }

    [Fact]
    public void A_sum_in_a_third_place_is_refused()
    {
        using var device = new CpuDevice(1);
        using var values = GuardedFloats.Random(4 * 16, 1);
        var refused = Assert.Throws<ArgumentException>(() => RmsNorm.AddForward(
            device, values.Pointer, values.Pointer + 16, values.Pointer + 32, values.Pointer, values.Pointer + 48, null, 1, 16, Epsilon));
        Assert.Contains("takes the place", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_huge_tiny_zero_and_undefined_values_come_out_as_the_formula_says()
    {
        const int Width = 19;
        using var device = new CpuDevice(1);
        float[] values = new float[5 * Width];
        float[] kinds = [1e30f, 1e-30f, 0f, float.NaN, 1e-42f];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = kinds[i / Width] * (1 + (i % Width));
        }

        using var x = GuardedFloats.From(values);
        using var gain = GuardedFloats.From(Enumerable.Repeat(1f, Width).ToArray());
        using var y = new GuardedFloats(values.Length);
        RmsNorm.Forward(device, x.Pointer, gain.Pointer, y.Pointer, null, 5, Width, Epsilon);

        var (expected, _) = Reference(x.Span, gain.Span, 5, Width);
        foreach (int row in (int[])[0, 1, 2, 4])
        {
            Errors.AssertClose(y.Span.Slice(row * Width, Width), expected.AsSpan(row * Width, Width), row == 4 ? 1e-4 : 1e-6, $"row {row}");
        }

        Assert.All(y.Span.Slice(3 * Width, Width).ToArray(), value => Assert.True(float.IsNaN(value)));
    }

    [Fact]
    public void Nothing_managed_is_allocated()
    {
        using var device = new CpuDevice(1);
        using var x = GuardedFloats.Random(128 * 64, 1);
        using var gain = GuardedFloats.Random(64, 2);
        using var gradGain = GuardedFloats.Zeros(64);
        using var inverseRms = GuardedFloats.Random(128, 3);
        using var gradX = new GuardedFloats(128 * 64);
        long before = 0;
        for (int i = 0; i < 2; i++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            RmsNorm.Forward(device, x.Pointer, gain.Pointer, gradX.Pointer, null, 128, 64, Epsilon);
            RmsNorm.Backward(
                device, x.Pointer, x.Pointer, inverseRms.Pointer, gain.Pointer, gradX.Pointer, gradGain.Pointer, 128, 64);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static (double[] Y, double[] InverseRms) Reference(ReadOnlySpan<float> x, ReadOnlySpan<float> gain, int tokens, int width)
    {
        double[] y = new double[tokens * width], inverseRms = new double[tokens];
        RmsNorm.ReferenceForward(RowData.Wide(x), RowData.Wide(gain), y, inverseRms, tokens, width, Epsilon);
        return (y, inverseRms);
    }
}
