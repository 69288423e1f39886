using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class ConversionCudaTests
{
    private static readonly int[] Counts = [0, 1, 7, 8, 9, 1000, 4099, 100_003];

    private static readonly float[] Special =
    [
        0f, -0f, 1f, -1f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, -float.NaN, BitConverter.UInt32BitsToSingle(0x7F81_2345),
        65504f, 65519.996f, 65520f, -65520f, 6e-8f, 5.9604645e-8f, 2.9802322e-8f, 6.1035156e-5f, 6.097555e-5f, 1e-40f, float.Epsilon,
        float.MaxValue, 3.3961776e38f, 3.3895314e38f, 1.00390625f, 1.01171875f,
    ];

    [Fact]
    public void Every_conversion_has_the_processors_bits_but_for_the_payloads_of_binary16_nans()
    {
        using var device = Card.Open();
        using var processor = new CpuDevice(1);
        foreach (int count in Counts)
        {
            foreach (int offset in (int[])[0, 1])
            {
                float[] wide = Wide(count);
                ushort[] halves = [.. Enumerable.Range(0, count).Select(i => (ushort)(i * 40_503))];
                using var source = new DeviceArray<float>(device, [.. new float[offset], .. wide]);
                using var bits = new DeviceArray<ushort>(device, [.. new ushort[offset], .. halves]);
                using var narrow = DeviceArray<ushort>.Poisoned(device, count + offset);
                using var target = DeviceArray<float>.Poisoned(device, count + offset);
                ushort[] expected = new ushort[count];
                float[] widened = new float[count];

                fixed (float* w = wide, f = widened)
                fixed (ushort* h = halves, e = expected)
                {
                    Conversion.ToBf16(device, source.Pointer + offset, narrow.Pointer + offset, count);
                    Conversion.ToBf16(processor, w, e, count);
                    Assert.Equal(expected, narrow.Read()[offset..]);

                    Conversion.FromBf16(device, bits.Pointer + offset, target.Pointer + offset, count);
                    Conversion.FromBf16(processor, h, f, count);
                    Assert.Equal(Bits(widened), Bits(target.Read()[offset..]));

                    Conversion.ToF16(device, source.Pointer + offset, narrow.Pointer + offset, count);
                    Conversion.ToF16(processor, w, e, count);
                    Assert.Equal(Array.ConvertAll(expected, Plain), Array.ConvertAll(narrow.Read()[offset..], Plain));

                    Conversion.FromF16(device, bits.Pointer + offset, target.Pointer + offset, count);
                    Conversion.FromF16(processor, h, f, count);
                    Assert.Equal(Array.ConvertAll(widened, Plain), Array.ConvertAll(target.Read()[offset..], Plain));

                    Conversion.F16ToBf16(device, bits.Pointer + offset, narrow.Pointer + offset, count);
                    Conversion.F16ToBf16(processor, h, e, count);
                    Assert.Equal(Array.ConvertAll(expected, PlainBf16), Array.ConvertAll(narrow.Read()[offset..], PlainBf16));
                }
            }
        }
    }

    private static float[] Wide(int count)
    {
        float[] values = DeviceBuffer.Gaussians(count, count);
        for (int i = 0; i < count; i++)
        {
            values[i] = i < Special.Length ? Special[i] : values[i] * MathF.Pow(10, (i % 19) - 9);
        }

        return values;
    }

    private static uint[] Bits(float[] values) => MemoryMarshal.Cast<float, uint>(values).ToArray();

    private static ushort Plain(ushort half) => Half.IsNaN(BitConverter.UInt16BitsToHalf(half)) ? (ushort)((half & 0x8000) | 0x7E00) : half;

    private static uint PlainBf16(ushort bits) => Plain(Bf16.Widen(bits));

    private static uint Plain(float value) => float.IsNaN(value)
        ? (BitConverter.SingleToUInt32Bits(value) & 0x8000_0000u) | 0x7FC0_0000u
        : BitConverter.SingleToUInt32Bits(value);
}
