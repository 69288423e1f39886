using Tessera.Devices;

namespace Tessera.Kernels.Tests;

/// <summary>Binary16, against <see cref="Half"/>.</summary>
public sealed unsafe class HalfConversionTests : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Every_binary16_pattern_widens_exactly_and_comes_back()
    {
        var halves = new ushort[65_536];
        var floats = new float[halves.Length];
        var back = new ushort[halves.Length];
        var brains = new ushort[halves.Length];
        for (int i = 0; i < halves.Length; i++)
        {
            halves[i] = (ushort)i;
        }

        fixed (ushort* from = halves, to = back, brain = brains)
        fixed (float* wide = floats)
        {
            Conversion.FromF16(_device, from, wide, halves.Length);
            Conversion.ToF16(_device, wide, to, halves.Length);
            Conversion.F16ToBf16(_device, from, brain, halves.Length);
        }

        for (int i = 0; i < halves.Length; i++)
        {
            float exact = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            if (float.IsNaN(exact))
            {
                Assert.True(float.IsNaN(floats[i]) && Half.IsNaN(BitConverter.UInt16BitsToHalf(back[i])) && float.IsNaN(Bf16.Widen(brains[i])));
                continue;
            }

            Assert.Equal(BitConverter.SingleToUInt32Bits(exact), BitConverter.SingleToUInt32Bits(floats[i]));
            Assert.Equal(halves[i], back[i]);
            Assert.Equal(Bf16.Round(exact), brains[i]);
        }
    }

    [Fact]
    public void Rounding_equals_halfs_for_every_exponent_and_around_every_tie()
    {
        var values = new List<float> { 65_519.996f, 65_520f, -65_520f, 65_504f, float.MaxValue, float.PositiveInfinity, float.NegativeInfinity };
        foreach (uint low in (uint[])[0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2000, 0x3000, 0x1FFE])
        {
            for (uint upper = 0; upper < 1u << 18; upper += 11)
            {
                float value = BitConverter.UInt32BitsToSingle((upper << 14) | low);
                values.Add(float.IsNaN(value) ? 0 : value);
            }
        }

        var target = new ushort[values.Count];
        fixed (float* from = values.ToArray())
        fixed (ushort* to = target)
        {
            Conversion.ToF16(_device, from, to, target.Length);
        }

        for (int i = 0; i < target.Length; i++)
        {
            ushort expected = BitConverter.HalfToUInt16Bits((Half)values[i]);
            Assert.True(expected == target[i], $"{BitConverter.SingleToUInt32Bits(values[i]):X8} became {target[i]:X4}, expected {expected:X4}");
        }
    }

    [Fact]
    public void Counts_around_the_vectors_and_odd_addresses_write_exactly_their_elements()
    {
        byte* block = stackalloc byte[300];
        float* floats = stackalloc float[128];
        for (int count = 0; count <= 40; count++)
        {
            // An odd byte address, as in a file whose header is not padded.
            var halves = (ushort*)(block + 1);
            for (int i = 0; i < 128; i++)
            {
                floats[i] = i - 20.25f;
                halves[i] = 0x1234;
            }

            Conversion.ToF16(_device, floats + 1, halves + 2, count);
            for (int i = 0; i < 128; i++)
            {
                bool written = i >= 2 && i < 2 + count;
                Assert.Equal(written ? BitConverter.HalfToUInt16Bits((Half)(i - 1 - 20.25f)) : 0x1234, halves[i]);
            }

            new Span<float>(floats, 128).Fill(-7f);
            Conversion.FromF16(_device, halves + 2, floats + 3, count);
            for (int i = 0; i < 128; i++)
            {
                bool written = i >= 3 && i < 3 + count;
                Assert.Equal(written ? i - 2 - 20.25f : -7f, floats[i]);
            }
        }
    }
}
