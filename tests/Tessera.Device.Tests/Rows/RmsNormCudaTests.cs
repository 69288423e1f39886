using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class RmsNormCudaTests
{
    private const float Epsilon = 1e-5f;
    private const double ForwardBound = 1e-6;
    private const double BackwardBound = 2e-6;

    public static TheoryData<DType, DType> Types => RowCases.Types;

    [Theory]
    [MemberData(nameof(Types))]
    public void Forward_alone_and_fused_matches_the_reference_with_the_same_bits_twice(DType type, DType weight)
    {
        using var device = Card.Open(type);
        foreach (var (tokens, width) in RowCases.Shapes)
        {
            int count = tokens * width;
            using var x = DeviceBuffer.Random(device, type, count, 1);
            using var branch = DeviceBuffer.Random(device, type, count, 2);
            using var gain = DeviceBuffer.Random(device, weight, width, 3);
            using var y = new DeviceBuffer(device, type, count);
            using var inverse = new DeviceBuffer(device, DType.F32, tokens);
            var expected = new double[count];
            var scales = new double[tokens];
            string what = $"{tokens}x{width}";

            RmsNorm.ReferenceForward(x.ReadWide(), gain.ReadWide(), expected, scales, tokens, width, Epsilon);
            RmsNorm.Forward(device, x.Elements, gain.Elements, y.Elements, (float*)inverse.Address, tokens, width, Epsilon);
            RowCases.AssertClose(y, expected, ForwardBound, $"{what} forward");
            RowCases.AssertClose(inverse, scales, ForwardBound, $"{what} inverse RMS");

            // What is normalised is the residual as it was stored.
            double[] sum = new double[count];
            Residual.ReferenceAdd(x.ReadWide(), branch.ReadWide(), sum);
            sum = RowCases.Rounded(sum, type);
            RmsNorm.ReferenceForward(sum, gain.ReadWide(), expected, scales, tokens, width, Epsilon);
            float[] summand = branch.Read();
            RmsNorm.AddForward(
                device, x.Elements, branch.Elements, branch.Elements, gain.Elements, y.Elements, (float*)inverse.Address, tokens, width, Epsilon);
            Assert.Equal(RowCases.Singles(sum), branch.Read());
            RowCases.AssertClose(y, expected, ForwardBound, $"{what} fused");
            RowCases.AssertClose(inverse, scales, ForwardBound, $"{what} fused inverse RMS");

            // In the stream's place, the norm in the branch's, and without statistics, the bits are the same.
            float[] first = y.Read(), stream = branch.Read();
            branch.Write(summand);
            RmsNorm.AddForward(
                device, x.Elements, branch.Elements, x.Elements, gain.Elements, branch.Elements, null, tokens, width, Epsilon);
            Assert.Equal(first, branch.Read());
            Assert.Equal(stream, x.Read());
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.BF16, DType.F32)]
    public void Backward_matches_the_reference_accumulated_and_in_place(DType type, DType weight, DType gradient)
    {
        using var device = Card.Open(type);
        foreach (var (tokens, width) in RowCases.Shapes)
        {
            int count = tokens * width;
            using var x = DeviceBuffer.Random(device, type, count, 1);
            using var gain = DeviceBuffer.Random(device, weight, width, 3);
            using var gradY = DeviceBuffer.Random(device, type, count, 4);
            using var gradX = DeviceBuffer.Random(device, type, count, 5);
            using var gradGain = DeviceBuffer.Random(device, gradient, width, 6);
            double[] expectedX = new double[count], accumulatedX = gradX.ReadWide(), expectedGain = gradGain.ReadWide();
            double[] scales = new double[tokens], y = new double[count];
            RmsNorm.ReferenceForward(x.ReadWide(), gain.ReadWide(), y, scales, tokens, width, Epsilon);
            RmsNorm.ReferenceBackward(
                gradY.ReadWide(), x.ReadWide(), gain.ReadWide(), expectedX, expectedGain, tokens, width, Epsilon);
            RmsNorm.ReferenceBackward(
                gradY.ReadWide(), x.ReadWide(), gain.ReadWide(), accumulatedX, new double[width], tokens, width, Epsilon);
            using var inverse = DeviceBuffer.From(device, DType.F32, RowCases.Singles(scales));
            string what = $"{tokens}x{width}";

            // A row of one element has a gradient of zero but for epsilon: only its bits are compared.
            float* statistics = (float*)inverse.Address;
            RmsNorm.Backward(device, gradY.Elements, x.Elements, statistics, gain.Elements, gradX.Elements, gradGain.Elements, tokens, width);
            float[] gains = gradGain.Read();
            if (width > 1)
            {
                RowCases.AssertClose(gradX, accumulatedX, BackwardBound, $"{what} accumulated");
                RowCases.AssertClose(gradGain, expectedGain, BackwardBound, $"{what} gain");
            }

            gradGain.Write(DeviceBuffer.Gaussians(width, 6));
            float[] incoming = gradY.Read();
            RmsNorm.Backward(device, gradY.Elements, x.Elements, statistics, gain.Elements, gradY.Elements, gradGain.Elements, tokens, width);
            Assert.Equal(gains, gradGain.Read());
            if (width > 1)
            {
                RowCases.AssertClose(gradY, expectedX, BackwardBound, $"{what} in place");
            }

            // A frozen gain changes nothing.
            float[] assigned = gradY.Read();
            gradY.Write(incoming);
            RmsNorm.Backward(device, gradY.Elements, x.Elements, statistics, gain.Elements, gradY.Elements, default, tokens, width);
            Assert.Equal(assigned, gradY.Read());
        }
    }

    [Fact]
    public void Rows_whose_squares_overflow_a_float_are_normalised()
    {
        using var device = Card.Open();
        float[] huge = [.. Enumerable.Range(0, 64).Select(i => (i + 1) * 1e25f)];
        using var x = DeviceBuffer.From(device, DType.F32, huge);
        using var gain = DeviceBuffer.From(device, DType.F32, [.. Enumerable.Repeat(1f, 64)]);
        using var y = new DeviceBuffer(device, DType.F32, 64);
        double[] expected = new double[64];
        RmsNorm.ReferenceForward(x.ReadWide(), gain.ReadWide(), expected, new double[1], 1, 64, Epsilon);
        RmsNorm.Forward(device, x.Elements, gain.Elements, y.Elements, null, 1, 64, Epsilon);
        RowCases.AssertClose(y, expected, ForwardBound, "huge");
    }
}
