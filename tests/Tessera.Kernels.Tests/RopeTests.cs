using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class RopeTests
{
    private static readonly Llama3RopeScaling Llama31 = new(8, 1, 4, 8192);

    /// <summary>Published values, computed in double precision; f32 steps may differ in the last place or two.</summary>
    [Theory]
    [InlineData(128, 8, 0, 1.0)]
    [InlineData(128, 8, 1, 0.814617234)]
    [InlineData(128, 8, 28, 0.00321144599)]
    [InlineData(128, 8, 29, 0.00216657076)]
    [InlineData(128, 8, 32, 0.000524846161)]
    [InlineData(128, 8, 34, 0.000178507813)]
    [InlineData(128, 8, 63, 3.06892599e-07)]
    [InlineData(128, 16, 29, 0.00213446159)]
    [InlineData(128, 16, 32, 0.000461319918)]
    [InlineData(128, 16, 34, 0.000124224523)]
    [InlineData(128, 16, 63, 1.53446299e-07)]
    [InlineData(128, 32, 29, 0.002118407)]
    [InlineData(128, 32, 32, 0.000429556797)]
    [InlineData(128, 32, 34, 9.7082878e-05)]
    [InlineData(128, 32, 63, 7.67231497e-08)]
    [InlineData(64, 32, 15, 0.00129054793)]
    [InlineData(64, 32, 16, 0.000429556797)]
    [InlineData(64, 32, 17, 9.7082878e-05)]
    [InlineData(64, 32, 31, 9.41830673e-08)]
    public void Scaled_frequencies_are_the_published_ones(int headDim, double factor, int index, double expected)
    {
        double actual = RopeTable.InverseFrequencies(headDim, 500_000, Llama31 with { Factor = factor })[index];
        Assert.Equal(expected, actual, 4e-7 * expected);
    }

    [Fact]
    public void Scaling_leaves_high_frequencies_and_divides_low_ones()
    {
        double[] plain = RopeTable.InverseFrequencies(128, 500_000, null);
        double[] scaled = RopeTable.InverseFrequencies(128, 500_000, Llama31);
        Assert.Equal(plain[..29], scaled[..29]);
        Assert.Equal(plain[35..].Select(f => f / 8), scaled[35..]);
        for (int j = 29; j < 35; j++)
        {
            Assert.InRange(scaled[j], plain[j] / 8, plain[j]);
            Assert.NotEqual(plain[j], scaled[j]);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    [InlineData(48)]
    [InlineData(64)]
    [InlineData(128)]
    public void Forward_rotates_the_leading_heads_as_the_reference_does(int headDim)
    {
        const int tokens = 23, heads = 3, untouched = 2;
        using var device = new CpuDevice(2);
        using var table = new RopeTable(headDim, 10_000, null, 5000);
        int stride = (heads + untouched) * headDim;
        using var rows = GuardedFloats.Random((long)tokens * stride, 7, misalignment: 1);
        double[] expected = [.. rows.Span.ToArray().Select(x => (double)x)];
        double[] frequencies = RopeTable.InverseFrequencies(headDim, 10_000, null);
        int[] positions = [.. Enumerable.Range(0, tokens).Select(t => t * 217 % 5000)];
        for (int t = 0; t < tokens; t++)
        {
            for (int h = 0; h < heads; h++)
            {
                Rope.RotateReference(expected.AsSpan((t * stride) + (h * headDim), headDim), positions[t], frequencies);
            }
        }

        fixed (int* position = positions)
        {
            Rope.Forward(device, rows.Pointer, stride, heads, headDim, position, tokens, table);
        }

        rows.AssertGuardsIntact();
        Errors.AssertClose(rows.Span, expected, 2e-7, $"rope E={headDim}");
        for (int t = 0; t < tokens; t++)
        {
            for (int c = heads * headDim; c < stride; c++)
            {
                Assert.Equal(expected[(t * stride) + c], rows.Pointer[(t * stride) + c]);
            }
        }
    }

    [Fact]
    public void Backward_is_the_transpose_of_forward()
    {
        const int tokens = 9, heads = 2, headDim = 24, count = tokens * heads * headDim;
        using var device = new CpuDevice(1);
        using var table = new RopeTable(headDim, 500_000, Llama31, 100);
        using var u = GuardedFloats.Random(count, 1);
        using var v = GuardedFloats.Random(count, 2);
        using var forward = GuardedFloats.From(u.Span);
        using var backward = GuardedFloats.From(v.Span);
        int* positions = stackalloc int[tokens];
        for (int t = 0; t < tokens; t++)
        {
            positions[t] = 11 * t;
        }

        Rope.Forward(device, forward.Pointer, heads * headDim, heads, headDim, positions, tokens, table);
        Rope.Backward(device, backward.Pointer, heads * headDim, heads, headDim, positions, tokens, table);
        double left = 0, right = 0;
        for (int i = 0; i < count; i++)
        {
            left += (double)forward.Pointer[i] * v.Pointer[i];
            right += (double)u.Pointer[i] * backward.Pointer[i];
        }

        Assert.Equal(left, right, 1e-5);
        Rope.Backward(device, forward.Pointer, heads * headDim, heads, headDim, positions, tokens, table);
        Errors.AssertClose(forward.Span, [.. u.Span.ToArray().Select(x => (double)x)], 3e-7, "there and back");
    }

    [Fact]
    public void Bits_do_not_depend_on_the_number_of_threads()
    {
        const int tokens = 300, heads = 8, headDim = 32;
        using var table = new RopeTable(headDim, 10_000, null, tokens);
        int[] positions = [.. Enumerable.Range(0, tokens)];
        var results = new List<byte[]>();
        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            using var rows = GuardedFloats.Random(tokens * heads * headDim, 4);
            fixed (int* position = positions)
            {
                Rope.Forward(device, rows.Pointer, heads * headDim, heads, headDim, position, tokens, table);
            }

            results.Add(MemoryMarshal.AsBytes(rows.Span).ToArray());
        }

        Assert.All(results, result => Assert.Equal(results[0], result));
    }

    [Fact]
    public void A_table_grows_without_changing_what_it_held()
    {
        using var small = new RopeTable(16, 10_000, null, 10);
        using var large = new RopeTable(16, 10_000, null, 1000);
        small.EnsurePositions(11);
        Assert.InRange(small.Positions, 11, 999);
        small.EnsurePositions(1000);
        Assert.Equal(1000, small.Positions);
        Assert.True(new Span<float>(large.Cosines, 8000).SequenceEqual(new Span<float>(small.Cosines, 8000)));
        Assert.True(new Span<float>(large.Sines, 8000).SequenceEqual(new Span<float>(small.Sines, 8000)));
    }

    [Fact]
    public void Unusable_arguments_are_named()
    {
        using var device = new CpuDevice(1);
        using var table = new RopeTable(8, 10_000, null, 4);
        int* position = stackalloc int[] { 4 };
        float* row = stackalloc float[8];
        var error = Assert.Throws<ArgumentException>(() => Rope.Forward(device, row, 8, 1, 8, position, 1, table));
        Assert.Contains("position 4", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Rope.Forward(device, row, 8, 1, 16, position, 1, table));
        Assert.Throws<ArgumentException>(() => RopeTable.InverseFrequencies(7, 10_000, null));
        Assert.Throws<ArgumentException>(() => RopeTable.InverseFrequencies(8, double.NaN, null));
        Assert.Throws<ArgumentException>(() => RopeTable.InverseFrequencies(8, 10_000, new Llama3RopeScaling(8, 4, 4, 8192)));
    }
}
