using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed class BiasAndSwiGluCudaTests
{
    private const double Bound = 1e-6;

    public static TheoryData<DType, DType> Types => RowCases.Types;

    [Theory]
    [MemberData(nameof(Types))]
    public void Bias_is_added_and_its_gradient_summed_as_the_reference_does(DType type, DType weight)
    {
        using var device = Card.Open(type);
        foreach (var (tokens, width) in ((int, int)[])[.. RowCases.Shapes, (40_000, 24)])
        {
            using var y = DeviceBuffer.Random(device, type, (long)tokens * width, 1);
            using var bias = DeviceBuffer.Random(device, weight, width, 2);
            using var gradient = DeviceBuffer.Random(device, weight, width, 3);
            double[] expected = y.ReadWide(), sums = gradient.ReadWide();
            Bias.ReferenceForward(expected, bias.ReadWide());
            Bias.ReferenceBackward(y.ReadWide(), sums);

            Bias.Backward(device, y.Elements, gradient.Elements, tokens, width);
            RowCases.AssertClose(gradient, sums, Bound, $"{tokens}x{width} backward");
            float[] bits = gradient.Read();
            gradient.Write(DeviceBuffer.Gaussians(width, 3));
            Bias.Backward(device, y.Elements, gradient.Elements, tokens, width);
            Assert.Equal(bits, gradient.Read());

            Bias.Forward(device, y.Elements, bias.Elements, tokens, width);
            RowCases.AssertClose(y, expected, Bound, $"{tokens}x{width} forward");
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.BF16)]
    public void SwiGlu_matches_the_reference_forward_and_backward_in_place(DType rows, DType hidden)
    {
        using var device = Card.Open(rows);
        foreach (var (tokens, width) in RowCases.Shapes)
        {
            int count = tokens * width;
            using var gateUp = DeviceBuffer.Random(device, rows, 2L * count, 1, 3f);
            using var h = new DeviceBuffer(device, hidden, count);
            using var gradH = DeviceBuffer.Random(device, hidden, count, 2);
            using var gradient = new DeviceBuffer(device, rows, 2L * count);
            double[] expected = new double[count], expectedGradient = new double[2 * count];
            SwiGlu.ReferenceForward(gateUp.ReadWide(), expected, tokens, width);
            SwiGlu.ReferenceBackward(gateUp.ReadWide(), gradH.ReadWide(), expectedGradient, tokens, width);

            SwiGlu.Forward(device, gateUp.Elements, h.Elements, tokens, width);
            SwiGlu.Backward(device, gateUp.Elements, gradH.Elements, gradient.Elements, tokens, width);
            RowCases.AssertClose(h, expected, Bound, $"{tokens}x{width} forward");
            RowCases.AssertClose(gradient, expectedGradient, Bound, $"{tokens}x{width} backward");
            float[] bits = gradient.Read();
            SwiGlu.Backward(device, gateUp.Elements, gradH.Elements, gateUp.Elements, tokens, width);
            Assert.Equal(bits, gateUp.Read());
        }
    }

    [Fact]
    public void Large_gates_give_the_limits()
    {
        using var device = Card.Open();
        using var gateUp = DeviceBuffer.From(device, DType.F32, [200f, -200f, 2f, 3f]);
        using var h = new DeviceBuffer(device, DType.F32, 2);
        SwiGlu.Forward(device, gateUp.Elements, h.Elements, 1, 2);
        Assert.Equal([400f, 0f], h.Read());
    }
}
