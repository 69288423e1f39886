using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class BiasTests
{
    private static readonly int[] Widths = [1, 2, 15, 16, 17, 31, 64, 65, 100];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(65)]
    [InlineData(200)]
    public void Forward_and_backward_match_the_reference(int tokens)
    {
        using var device = new CpuDevice(2);
        foreach (int width in Widths)
        {
            using var y = GuardedFloats.Random((long)tokens * width, 1, misalignment: 1);
            using var bias = GuardedFloats.Random(width, 2, misalignment: 3);
            using var gradient = GuardedFloats.Random(width, 3, misalignment: 5);
            double[] expected = Wide(y), expectedGradient = Wide(gradient);
            Bias.ReferenceForward(expected, Wide(bias));
            Bias.Forward(device, y.Pointer, bias.Pointer, tokens, width);
            Errors.AssertClose(y.Span, expected, 1e-7, $"width {width}");
            Bias.ReferenceBackward(Wide(y), expectedGradient);
            Bias.Backward(device, y.Pointer, gradient.Pointer, tokens, width);
            Errors.AssertClose(gradient.Span, expectedGradient, 1e-6, $"gradient of width {width}");
            y.AssertGuardsIntact();
            gradient.AssertGuardsIntact();
        }
    }

    // ⟨J b, v⟩ = ⟨b, Jᵀ v⟩: the sum's gradient is the transpose of the addition.
    [Fact]
    public void Backward_is_the_adjoint_of_forward()
    {
        const int tokens = 70, width = 33;
        var random = new CounterRandom(4);
        double[] bias = new double[width], v = new double[tokens * width], y = new double[tokens * width], gradient = new double[width];
        for (int i = 0; i < v.Length; i++)
        {
            v[i] = random.NextGaussian();
            bias[i % width] = random.NextGaussian();
        }

        Bias.ReferenceForward(y, bias);
        Bias.ReferenceBackward(v, gradient);
        Assert.Equal(y.Zip(v, (a, b) => a * b).Sum(), bias.Zip(gradient, (a, b) => a * b).Sum(), 1e-9);
    }

    [Fact]
    public void Bits_do_not_depend_on_the_number_of_threads()
    {
        const int tokens = 300, width = 70;
        using var y = GuardedFloats.Random(tokens * width, 1);
        var results = new List<byte[]>();
        foreach (int threads in (int[])[1, 2, 3])
        {
            using var device = new CpuDevice(threads);
            using var gradient = GuardedFloats.Zeros(width);
            Bias.Backward(device, y.Pointer, gradient.Pointer, tokens, width);
            results.Add(MemoryMarshal.AsBytes(gradient.Span).ToArray());
        }

        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Fact]
    public void Sizes_below_their_least_are_refused()
    {
        using var device = new CpuDevice(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => Bias.Forward(device, null, null, -1, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Bias.Backward(device, null, null, 1, 0));
    }

    private static double[] Wide(GuardedFloats values) => [.. values.Span.ToArray().Select(value => (double)value)];
}
