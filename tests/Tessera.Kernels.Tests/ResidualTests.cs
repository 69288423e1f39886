using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class ResidualTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(64)]
    [InlineData(97)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(10007)]
    public void Addition_accumulation_and_scaling_match_the_reference(int count)
    {
        using var device = new CpuDevice(3);
        using var a = GuardedFloats.Random(count, 1, misalignment: 1);
        using var b = GuardedFloats.Random(count, 2, misalignment: 3);
        using var sum = new GuardedFloats(count);
        var expected = new double[count];
        Residual.ReferenceAdd(RowData.Wide(a.Span), RowData.Wide(b.Span), expected);

        Residual.Add(device, a.Pointer, b.Pointer, sum.Pointer, count);
        Errors.AssertClose(sum.Checked(), expected, 1e-7, "sum");

        Residual.Accumulate(device, a.Pointer, b.Pointer, count);
        Assert.Equal(sum.Span, a.Checked());

        double[] scaled = RowData.Wide(sum.Span);
        Residual.ReferenceScale(scaled, -0.3f);
        Residual.Scale(device, sum.Pointer, -0.3f, count);
        Errors.AssertClose(sum.Checked(), scaled, 1e-7, "scaled");
        b.AssertGuardsIntact();
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits() => RowData.AssertSameBits(device =>
    {
        using var a = GuardedFloats.Random(10_007, 1);
        using var b = GuardedFloats.Random(10_007, 2);
        Residual.Accumulate(device, a.Pointer, b.Pointer, a.Length);
        Residual.Scale(device, a.Pointer, 1.7f, a.Length);
        return a.Span.ToArray();
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Outputs_beyond_the_caches_are_complete_whatever_their_alignment(int misalignment)
    {
        const int Tokens = 8195, Width = 1024;
        using var device = new CpuDevice(2);
        using var x = GuardedFloats.Zeros(2L * Tokens * Width);
        using var y = new GuardedFloats(Tokens * (long)Width, misalignment);
        using var ones = GuardedFloats.From([.. Enumerable.Repeat(1f, Width)]);
        x.Span.Fill(2f);
        Residual.Add(device, x.Pointer, x.Pointer + y.Length, y.Pointer, y.Length);
        Assert.False(y.Checked().ContainsAnyExcept(4f));
        RmsNorm.Forward(device, x.Pointer, ones.Pointer, y.Pointer, null, Tokens, Width, 0f);
        Assert.False(y.Checked().ContainsAnyExcept(1f));
        SwiGlu.Forward(device, x.Pointer, y.Pointer, Tokens, Width);
        Assert.False(y.Checked().ContainsAnyExcept(y.Span[0]));
        Assert.Equal(4 / (1 + Math.Exp(-2)), y.Span[0], 1e-6);
    }

    [Fact]
    public void A_negative_count_is_refused()
    {
        using var device = new CpuDevice(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => Residual.Add(device, null, null, null, -1));
    }
}
