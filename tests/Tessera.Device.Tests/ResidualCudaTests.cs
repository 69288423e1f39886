using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed class ResidualCudaTests
{
    private static readonly int[] Counts = [0, 1, 7, 8, 9, 64, 97, 2047, 2048, 2049, 10_007, 1 << 20];

    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.F32, DType.F32, DType.BF16)]
    [InlineData(DType.F32, DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.F32, DType.BF16)]
    [InlineData(DType.BF16, DType.BF16, DType.F32)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16)]
    public void Addition_matches_the_reference_in_every_combination_of_types(DType typeA, DType typeB, DType typeSum)
    {
        using var device = Card.Open();
        foreach (int count in Counts)
        {
            foreach (int misalignment in (int[])[0, 1])
            {
                using var a = DeviceBuffer.Random(device, typeA, count, 1);
                using var b = DeviceBuffer.Random(device, typeB, count, 2, misalignment: misalignment);
                using var sum = new DeviceBuffer(device, typeSum, count);
                var expected = new double[count];
                Residual.ReferenceAdd(a.ReadWide(), b.ReadWide(), expected);

                Residual.Add(device, a.Elements, b.Elements, sum.Elements, count);
                Tolerances.AssertOneRounding(sum.Read(), expected, typeSum, $"{count} elements, off by {misalignment}");
            }
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.F32, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.BF16, DType.BF16)]
    public void Accumulation_in_place_has_the_bits_of_addition_and_scaling_matches_the_reference(DType typeTarget, DType typeSource)
    {
        using var device = Card.Open();
        foreach (int count in Counts)
        {
            using var target = DeviceBuffer.Random(device, typeTarget, count, 3, misalignment: 1);
            using var source = DeviceBuffer.Random(device, typeSource, count, 4);
            using var sum = new DeviceBuffer(device, typeTarget, count);
            Residual.Add(device, target.Elements, source.Elements, sum.Elements, count);
            Residual.Accumulate(device, target.Elements, source.Elements, count);
            Assert.Equal(sum.Read(), target.Read());

            double[] scaled = sum.ReadWide();
            Residual.ReferenceScale(scaled, -0.3f);
            Residual.Scale(device, sum.Elements, -0.3f, count);
            Tolerances.AssertOneRounding(sum.Read(), scaled, typeTarget, $"{count} elements scaled");
        }
    }

    [Fact]
    public void The_processor_and_the_card_agree_to_the_bit_in_f32()
    {
        const int Count = 10_007;
        using var device = Card.Open();
        using var processor = new CpuDevice(2);
        using var a = DeviceBuffer.Random(device, DType.F32, Count, 5);
        using var b = DeviceBuffer.Random(device, DType.F32, Count, 6);
        using var x = GuardedFloats.From(a.Read());
        using var y = GuardedFloats.From(b.Read());
        Residual.Accumulate(device, a.Elements, b.Elements, Count);
        unsafe
        {
            Residual.Accumulate(processor, x.Pointer, y.Pointer, Count);
        }

        Assert.Equal(x.Span.ToArray(), a.Read());
    }
}
