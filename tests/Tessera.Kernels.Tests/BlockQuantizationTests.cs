using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public sealed unsafe class BlockQuantizationTests : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(BlockFormat.Q8_0)]
    [InlineData(BlockFormat.Q4_0)]
    public void The_fast_path_gives_the_bits_of_the_formula(BlockFormat format)
    {
        foreach (int blocks in (int[])[0, 1, 2, 3, 7, 63, 64, 65, 300])
        {
            float[] weights = Awkward(blocks * BlockFormats.BlockSize, blocks);
            var expected = new byte[format.Bytes(weights.Length)];
            BlockQuantization.QuantizeReference(format, weights, expected);
            Assert.Equal(expected, Quantize(format, weights));
        }
    }

    [Theory]
    [InlineData(BlockFormat.Q8_0)]
    [InlineData(BlockFormat.Q4_0)]
    public void Widening_gives_integer_times_scale_exactly_and_bf16_is_its_rounding(BlockFormat format)
    {
        // One byte in front: blocks in a mapped file lie at any address.
        foreach (int rows in (int[])[1, 5, 131])
        {
            const int Columns = 96;
            byte[] blocks = [0xAA, .. Quantize(format, Awkward(rows * Columns, rows))];
            var exact = new double[rows * Columns];
            using var floats = new GuardedFloats(exact.Length);
            var halves = new ushort[exact.Length + 1];
            halves[^1] = 0x1234;
            fixed (byte* source = blocks)
            fixed (ushort* rounded = halves)
            {
                BlockQuantization.DequantizeReference(new QuantizedBlocks((nint)source + 1, format, rows, Columns), exact);
                BlockQuantization.Dequantize(_device, format, source + 1, DType.F32, (nint)floats.Pointer, exact.Length);
                BlockQuantization.Dequantize(_device, format, source + 1, DType.BF16, (nint)rounded, exact.Length);
            }

            for (int i = 0; i < exact.Length; i++)
            {
                Assert.True(exact[i] == floats.Span[i], $"weight {i} is {floats.Span[i]}, expected {exact[i]}");
                Assert.Equal(Bf16.Round((float)exact[i]), halves[i]);
            }

            Assert.Equal(0x1234, halves[^1]);
            floats.AssertGuardsIntact();
        }
    }

    [Theory]
    [InlineData(BlockFormat.Q8_0)]
    [InlineData(BlockFormat.Q4_0)]
    public void Weights_that_came_from_blocks_go_back_to_the_same_blocks(BlockFormat format)
    {
        float[] weights = [.. Enumerable.Range(0, 64 * BlockFormats.BlockSize).Select(i => new CounterRandom(3, (ulong)i).NextGaussian())];
        byte[] first = Quantize(format, weights);
        fixed (byte* source = first)
        fixed (float* target = weights)
        {
            BlockQuantization.Dequantize(_device, format, source, DType.F32, (nint)target, weights.Length);
        }

        Assert.Equal(first, Quantize(format, weights));
    }

    // Floors of one rounding of Gaussian weights in groups of 32: 5.3e-3 for 8 bits; 9.7e-2 for symmetric 4 bits, of which the
    // sixteenth step saves a tenth. A missing nibble or a scale of the wrong block is far outside.
    [Theory]
    [InlineData(BlockFormat.Q8_0, 4.0e-3, 5.3e-3 * 1.15)]
    [InlineData(BlockFormat.Q4_0, 7.0e-2, 9.7e-2)]
    public void The_error_on_gaussian_weights_is_that_of_one_rounding(BlockFormat format, double low, double high)
    {
        float[] weights = [.. Enumerable.Range(0, 1 << 16).Select(i => new CounterRandom(4, (ulong)i).NextGaussian() * 0.02f)];
        byte[] blocks = Quantize(format, weights);
        var restored = new float[weights.Length];
        fixed (byte* source = blocks)
        fixed (float* target = restored)
        {
            BlockQuantization.Dequantize(_device, format, source, DType.F32, (nint)target, weights.Length);
        }

        double error = Errors.RelativeL2(restored, weights);
        Assert.True(error >= low && error <= high, $"{format}: relative L2 {error:E3}");
    }

    [Fact]
    public void A_known_block_has_its_nibbles_in_their_places()
    {
        var weights = new float[BlockFormats.BlockSize];
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = (i % 16) - 8;
        }

        byte[] blocks = Quantize(BlockFormat.Q4_0, weights);
        Assert.Equal((Half)1, BitConverter.ToHalf(blocks));
        Assert.Equal(Enumerable.Range(0, 16).Select(i => (byte)(i | (i << 4))), blocks[2..]);
        fixed (byte* source = blocks)
        {
            var view = new QuantizedBlocks((nint)source, BlockFormat.Q4_0, 1, weights.Length);
            Assert.Equal(weights, Enumerable.Range(0, weights.Length).Select(i => (float)view.Integer(0, i)));
            Assert.Equal(1f, view.Scale(0, 0));
        }
    }

    [Fact]
    public void Counts_that_are_no_whole_blocks_are_refused()
    {
        float value = 0;
        byte block = 0;
        float* weights = &value;
        byte* bytes = &block;
        Assert.Throws<ArgumentException>(() => BlockQuantization.Quantize(_device, BlockFormat.Q8_0, weights, bytes, 33));
        Assert.Throws<ArgumentException>(() => BlockQuantization.Dequantize(_device, BlockFormat.Q4_0, bytes, DType.I32, (nint)weights, 32));
    }

    /// <summary>Gaussians of many sizes, with zero blocks, ties of both signs, and halves between two steps.</summary>
    private static float[] Awkward(int count, int seed)
    {
        var weights = new float[count];
        var random = new CounterRandom((ulong)seed, 7);
        for (int i = 0; i < count; i++)
        {
            int block = i / BlockFormats.BlockSize;
            weights[i] = (block % 4) switch
            {
                0 => random.NextGaussian() * MathF.ScaleB(1, (block % 23) - 14),
                1 => ((i * 5 % 17) - 8) * 0.5f,
                2 => (i * 37 % 255) - 127 + ((i & 1) == 0 ? 0.5f : 0),
                _ => block % 8 == 3 ? 0 : 1e-9f * i,
            };
        }

        return weights;
    }

    private byte[] Quantize(BlockFormat format, float[] weights)
    {
        var blocks = new byte[format.Bytes(weights.Length) + 1];
        blocks[^1] = 0x5A;
        fixed (float* source = weights)
        fixed (byte* target = blocks)
        {
            BlockQuantization.Quantize(_device, format, source, target, weights.Length);
        }

        Assert.Equal(0x5A, blocks[^1]);
        return blocks[..^1];
    }
}
