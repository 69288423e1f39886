using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Kernels.Tests;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class QuantizedLinearCudaTests
{
    private static readonly int[] TokenCounts = [1, 2, 3, 4, 5, 8, 9, 33, 70];

    [Theory]
    [InlineData(DType.Int8, 1, 1)]
    [InlineData(DType.Int8, 17, 40)]
    [InlineData(DType.Int8, 33, 600)]
    [InlineData(DType.Int8, 130, 1024)]
    [InlineData(DType.Int4, 1, 1)]
    [InlineData(DType.Int4, 17, 40)]
    [InlineData(DType.Int4, 33, 600)]
    [InlineData(DType.Int4, 130, 1024)]
    public void Products_have_the_processors_bits(DType type, int outputs, int inputs)
    {
        using var device = Card.Open();
        using var processor = new CpuDevice(2);
        using var weight = GroupedTestMatrix.Gaussian(outputs, inputs, type, 7);
        using var arena = device.CreateArena("weight");
        nint there = arena.Allocate(weight.Bytes.Length);
        device.Upload(weight.Bytes, there);
        var view = new MatrixView(there, type, outputs, inputs);
        foreach (int tokens in TokenCounts)
        {
            foreach (DType stored in (DType[])[DType.F32, DType.BF16])
            {
                bool accumulate = tokens % 2 == 0;
                using var x = new DeviceMatrix(device, stored, tokens, inputs, 1, 3);
                using var y = new DeviceMatrix(device, stored, tokens, outputs, 2, 5);
                using var before = GuardedFloats.From(x.Before);
                using var expected = GuardedFloats.From(y.Before);
                QuantizedLinear.Forward(processor, before.Pointer, inputs, weight.View, expected.Pointer, outputs, tokens, accumulate);

                QuantizedLinear.Forward(device, x.Elements, x.Stride, view, y.Elements, y.Stride, tokens, accumulate);
                float[] rounded = stored == DType.F32
                    ? expected.Span.ToArray()
                    : Array.ConvertAll(expected.Span.ToArray(), value => Bf16.Widen(Bf16.Round(value)));
                Assert.Equal(rounded, y.Read());
            }
        }
    }

    [Theory]
    [InlineData(DType.Int8, 2)]
    [InlineData(DType.Int8, 9)]
    [InlineData(DType.Int4, 2)]
    [InlineData(DType.Int4, 9)]
    public void Special_values_are_treated_as_on_the_processor(DType type, int tokens)
    {
        const int Outputs = 20, Inputs = 100;
        using var device = Card.Open();
        using var processor = new CpuDevice(1);
        using var weight = GroupedTestMatrix.Gaussian(Outputs, Inputs, type, 7);
        using var arena = device.CreateArena("weight");
        nint there = arena.Allocate(weight.Bytes.Length);
        device.Upload(weight.Bytes, there);
        float[] values = DeviceBuffer.Gaussians(tokens * Inputs, 3);
        values.AsSpan(0, 32).Clear();
        values.AsSpan(32, 32).Fill(-1e-37f);
        values[Inputs + 40] = tokens == 2 ? float.NaN : float.NegativeInfinity;
        using var x = DeviceBuffer.From(device, DType.F32, values);
        using var y = new DeviceBuffer(device, DType.F32, tokens * Outputs);
        using var input = GuardedFloats.From(values);
        using var expected = new GuardedFloats(tokens * Outputs);
        QuantizedLinear.Forward(processor, input.Pointer, Inputs, weight.View, expected.Pointer, Outputs, tokens, false);
        QuantizedLinear.Forward(
            device, x.Elements, Inputs, new MatrixView(there, type, Outputs, Inputs), y.Elements, Outputs, tokens, false);
        Assert.Equal(expected.Span.ToArray(), y.Read());
        Assert.True(float.IsNaN(expected.Span[Outputs]));
    }
}
