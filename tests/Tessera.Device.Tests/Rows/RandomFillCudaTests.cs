using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed class RandomFillCudaTests
{
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Numbers_are_the_processors_but_for_a_last_place_in_a_hundred_thousand(DType type)
    {
        using var device = Card.Open();
        foreach (var (count, first) in ((int, long)[])[(0, 0), (1, 0), (1, 7), (1000, 0), (100_003, 5), (1 << 20, 6)])
        {
            using var target = new DeviceBuffer(device, type, count);
            float[] expected = new float[count];
            RandomFill.ReferenceGaussian(expected, 987_654_321_987, 42, first, 0.02f);
            RandomFill.Gaussian(device, target.Elements, count, 987_654_321_987, 42, first, 0.02f);
            float[] actual = target.Read();
            double[] wide = RowCases.Rounded(Array.ConvertAll(expected, value => (double)value), type);
            int different = Enumerable.Range(0, count).Count(i => actual[i] != wide[i]);
            Assert.InRange(different, 0, count / 100_000);
            Assert.InRange(TestSupport.Errors.RelativeL2(actual, wide), 0, type == DType.F32 ? 1e-9 : 1e-5);

            RandomFill.Constant(device, target.Elements, count, 1.5f);
            Assert.False(target.Read().AsSpan().ContainsAnyExcept(1.5f));
        }
    }
}
