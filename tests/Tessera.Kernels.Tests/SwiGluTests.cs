using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class SwiGluTests
{
    public static TheoryData<int, int> Shapes => RowData.Shapes;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_and_backward_match_the_reference(int tokens, int width)
    {
        using var device = new CpuDevice(2);
        using var gateUp = GuardedFloats.Random(2 * tokens * width, 1, 3f, misalignment: 1);
        using var gradH = GuardedFloats.Random(tokens * width, 2, misalignment: 2);
        using var h = new GuardedFloats(tokens * width, 3);
        using var gradGateUp = new GuardedFloats(2 * tokens * width);
        double[] expectedH = new double[tokens * width], expectedGradient = new double[2 * tokens * width];
        SwiGlu.ReferenceForward(RowData.Wide(gateUp.Span), expectedH, tokens, width);
        SwiGlu.ReferenceBackward(RowData.Wide(gateUp.Span), RowData.Wide(gradH.Span), expectedGradient, tokens, width);

        SwiGlu.Forward(device, gateUp.Pointer, h.Pointer, tokens, width);
        SwiGlu.Backward(device, gateUp.Pointer, gradH.Pointer, gradGateUp.Pointer, tokens, width);
        Errors.AssertClose(h.Checked(), expectedH, 1e-6, "h");
        Errors.AssertClose(gradGateUp.Checked(), expectedGradient, 1e-6, "gradGateUp");

        SwiGlu.Backward(device, gateUp.Pointer, gradH.Pointer, gateUp.Pointer, tokens, width);
        Assert.Equal(gradGateUp.Span, gateUp.Checked());
    }

    [Fact]
    public void The_reference_agrees_with_central_differences()
    {
        double[] gateUp = RowData.Gaussians(2 * 3 * 4, 3), gradH = RowData.Gaussians(3 * 4, 4), gradient = new double[24];
        SwiGlu.ReferenceBackward(gateUp, gradH, gradient, 3, 4);
        RowData.AssertIsGradient(
            at =>
            {
                var h = new double[12];
                SwiGlu.ReferenceForward(at, h, 3, 4);
                return RowData.Dot(h, gradH);
            },
            gateUp,
            gradient);
    }

    [Theory]
    [InlineData(0f, 0f, 0.5f)]
    [InlineData(120f, 120f, 1f)]
    [InlineData(-120f, 0f, 0f)]
    [InlineData(-1e30f, 0f, 0f)]
    [InlineData(1e30f, 1e30f, 1f)]
    [InlineData(1e-42f, 5e-43f, 0.5f)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity, float.NaN)]
    [InlineData(float.NaN, float.NaN, float.NaN)]
    public void Extreme_gates_have_the_limits_of_the_formula(float gate, float silu, float slope)
    {
        using var device = new CpuDevice(1);
        using var gateUp = GuardedFloats.From([gate, 1f]);
        using var gradH = GuardedFloats.From([1f]);
        using var h = new GuardedFloats(1);
        using var gradient = new GuardedFloats(2);
        SwiGlu.Forward(device, gateUp.Pointer, h.Pointer, 1, 1);
        SwiGlu.Backward(device, gateUp.Pointer, gradH.Pointer, gradient.Pointer, 1, 1);
        Assert.Equal(silu, h.Span[0] + 0f, 1e-43f);
        Assert.Equal(slope, gradient.Span[0] + 0f, 1e-7f);
        Assert.Equal(silu, gradient.Span[1] + 0f, 1e-43f);
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits()
    {
        const int Tokens = 61, Width = 131;
        RowData.AssertSameBits(device =>
        {
            using var gateUp = GuardedFloats.Random(2 * Tokens * Width, 1);
            using var h = new GuardedFloats(Tokens * Width);
            using var gradient = new GuardedFloats(2 * Tokens * Width);
            SwiGlu.Forward(device, gateUp.Pointer, h.Pointer, Tokens, Width);
            SwiGlu.Backward(device, gateUp.Pointer, h.Pointer, gradient.Pointer, Tokens, Width);
            return [.. h.Span, .. gradient.Span];
        });
    }
}
