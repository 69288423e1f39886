using Tessera.Devices;

namespace Tessera.Kernels.Tests;

public sealed unsafe class ConversionTests : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Every_bf16_pattern_survives_widening_and_rounding()
    {
        var halves = new ushort[65_536];
        var floats = new float[halves.Length];
        var back = new ushort[halves.Length];
        for (int i = 0; i < halves.Length; i++)
        {
            halves[i] = (ushort)i;
        }

        fixed (ushort* from = halves, to = back)
        fixed (float* wide = floats)
        {
            Conversion.FromBf16(_device, from, wide, halves.Length);
            Conversion.ToBf16(_device, wide, to, halves.Length);
        }

        for (int i = 0; i < halves.Length; i++)
        {
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(floats[i]));
            bool isNan = (i & 0x7FFF) > 0x7F80;
            Assert.Equal(isNan ? i | 0x40 : i, back[i]);
        }
    }

    [Fact]
    public void Rounding_goes_to_the_nearest_pattern_for_every_exponent_and_around_every_tie()
    {
        var values = new List<float>();
        foreach (uint low in (uint[])[0, 1, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
        {
            for (uint upper = 0; upper < 65_536; upper += 13)
            {
                float value = BitConverter.UInt32BitsToSingle((upper << 16) | low);
                values.Add(float.IsNaN(value) ? float.Epsilon * low : value);
            }
        }

        float[] source = [.. values, float.MaxValue, float.MinValue, 0f, -0f, float.PositiveInfinity, float.NegativeInfinity];
        ushort[] target = Round(source);
        for (int i = 0; i < source.Length; i++)
        {
            Assert.True(
                target[i] == Conversion.Reference(source[i]), $"{BitConverter.SingleToUInt32Bits(source[i]):X8} became {target[i]:X4}");
            Assert.Equal(Bf16.Round(source[i]), target[i]);
        }
    }

    [Fact]
    public void A_nan_stays_a_nan_whatever_its_payload()
    {
        uint[] patterns = [0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FC0_0000, 0x7F80_FFFF];
        float[] source = [.. Enumerable.Range(0, 48).Select(i => BitConverter.UInt32BitsToSingle(patterns[i % patterns.Length]))];
        ushort[] target = Round(source);
        for (int i = 0; i < source.Length; i++)
        {
            Assert.True(float.IsNaN(Bf16.Widen(target[i])));
            Assert.Equal(float.IsNegative(source[i]), (target[i] & 0x8000) != 0);
        }
    }

    [Fact]
    public void Counts_around_the_vectors_and_odd_addresses_write_exactly_their_elements()
    {
        ushort* halves = stackalloc ushort[128];
        float* floats = stackalloc float[128];
        for (int count = 0; count <= 70; count++)
        {
            int offset = count % 5;
            new Span<ushort>(halves, 128).Fill(0x1234);
            for (int i = 0; i < 128; i++)
            {
                floats[i] = i + 0.5f;
            }

            Conversion.ToBf16(_device, floats + offset, halves + 3, count);
            for (int i = 0; i < 128; i++)
            {
                bool written = i >= 3 && i < 3 + count;
                Assert.Equal(written ? Bf16.Round(i - 3 + offset + 0.5f) : 0x1234, halves[i]);
            }

            new Span<float>(floats, 128).Fill(-7f);
            Conversion.FromBf16(_device, halves + 3, floats + offset, count);
            for (int i = 0; i < 128; i++)
            {
                bool written = i >= offset && i < offset + count;
                Assert.Equal(written ? Bf16.Widen(halves[3 + i - offset]) : -7f, floats[i]);
            }
        }
    }

    private ushort[] Round(float[] source)
    {
        var target = new ushort[source.Length];
        fixed (float* from = source)
        fixed (ushort* to = target)
        {
            Conversion.ToBf16(_device, from, to, source.Length);
        }

        return target;
    }
}
