using Tessera.Devices;

namespace Tessera.Kernels.Tests;

/// <summary>
/// Outputs larger than the caches are written past them, by other instructions: the bits must be those of the same rows in parts
/// that the caches hold, for any number of threads.
/// </summary>
public sealed unsafe class LargeOutputTests : IDisposable
{
    // 33 MiB of bf16, twice that of f32, in rows of whole lines; no number of workers divides the number of rows.
    private const int Width = 1056, Tokens = 16_411, Part = 100;
    private const int FloatRow = Width * sizeof(float);
    private readonly Arena _arena = new("large outputs");

    private delegate void RowsRun(CpuDevice device, long from, int rows, ReadOnlySpan<nint> outputs);

    public void Dispose() => _arena.Dispose();

    [Fact]
    public void Normalisation()
    {
        float* x = Filled(Tokens), gain = Filled(1);
        AssertParts((device, from, rows, y) =>
            RmsNorm.Forward(device, x + (from * Width), gain, (float*)y[0], null, rows, Width, 1e-5f), FloatRow);
    }

    [Fact]
    public void Normalisation_of_a_sum_that_is_kept()
    {
        float* x = Filled(Tokens), branch = Filled(Tokens), gain = Filled(1);
        AssertParts(
            (device, from, rows, y) =>
            {
                Copied(branch, from, rows, y[0]);
                RmsNorm.AddForward(device, x + (from * Width), (float*)y[0], (float*)y[0], gain, (float*)y[1], (float*)y[2], rows, Width, 1e-5f);
            },
            FloatRow, FloatRow, sizeof(float));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradient_of_the_normalisation(bool gainIsTrained)
    {
        float* x = Filled(Tokens), gradient = Filled(Tokens), gain = Filled(1), scales = Filled(Tokens / Width + 1);
        float* gainGradient = gainIsTrained ? Filled(1) : null;
        AssertParts(
            (device, from, rows, y) =>
            {
                Copied(gradient, from, rows, y[0]);
                RmsNorm.Backward(device, (float*)y[0], x + (from * Width), scales + from, gain, (float*)y[0], gainGradient, rows, Width);
            },
            FloatRow);
    }

    [Fact]
    public void Gated_activation_and_its_gradient()
    {
        float* gateUp = Filled(2 * Tokens), gradient = Filled(Tokens);
        AssertParts(
            (device, from, rows, y) =>
            {
                SwiGlu.Forward(device, gateUp + (2 * from * Width), (float*)y[0], rows, Width);
                SwiGlu.Backward(device, gateUp + (2 * from * Width), gradient + (from * Width), (float*)y[1], rows, Width);
            },
            FloatRow, 2 * FloatRow);
    }

    [Fact]
    public void Sum()
    {
        float* a = Filled(Tokens), b = Filled(Tokens);
        AssertParts((device, from, rows, y) =>
            Residual.Add(device, a + (from * Width), b + (from * Width), (float*)y[0], (long)rows * Width), FloatRow);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Rows_of_a_table(DType type)
    {
        const int Vocabulary = 301;
        var table = new MatrixView((nint)Filled(Vocabulary), type, Vocabulary, Width);
        int* ids = (int*)_arena.Allocate(Tokens * sizeof(int));
        for (int t = 0; t < Tokens; t++)
        {
            ids[t] = (int)(t * 7919L % Vocabulary);
        }

        AssertParts((device, from, rows, y) => Embedding.Forward(device, ids + from, table, (float*)y[0], rows), FloatRow);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Chosen_rows(DType type)
    {
        const int Rows = 301;
        var source = new MatrixView((nint)Filled(Rows), type, Rows, Width);
        int* chosen = (int*)_arena.Allocate(Tokens * sizeof(int));
        for (int t = 0; t < Tokens; t++)
        {
            chosen[t] = (int)(t * 7919L % Rows);
        }

        AssertParts((device, from, rows, y) => RowGather.Forward(device, source, chosen + from, rows, (float*)y[0]), FloatRow);
    }

    [Theory]
    [InlineData(BlockFormat.Q8)]
    [InlineData(BlockFormat.Q4)]
    public void Blocks(BlockFormat format)
    {
        // As many weights a row as make more than 32 MiB of blocks in all; parts begin anywhere in a group of blocks.
        long count = (format == BlockFormat.Q8 ? 2 : 4) * Width;
        float* weights = Filled(count / Width * Tokens);
        AssertParts(
            (device, from, rows, y) =>
            {
                BlockQuantization.Quantize(device, format, weights + (from * count), (byte*)y[0], rows * count);
                BlockQuantization.Dequantize(device, format, (byte*)y[0], DType.F32, y[1], rows * count);
            },
            (int)format.Bytes(count), (int)count * sizeof(float));
    }

    [Fact]
    public void Widening_and_rounding()
    {
        float* floats = Filled(Tokens);
        ushort* halves = (ushort*)Filled(Tokens);
        AssertParts(
            (device, from, rows, y) =>
            {
                Conversion.FromBf16(device, halves + (from * Width), (float*)y[0], (long)rows * Width);
                Conversion.ToBf16(device, floats + (from * Width), (ushort*)y[1], (long)rows * Width);
            },
            FloatRow, Width * sizeof(ushort));
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Cached_rows(DType type)
    {
        float* keys = Filled(Tokens), values = Filled(Tokens);
        AssertParts(
            (device, from, rows, y) =>
            {
                var segment = new AttentionSegment { QueryCount = rows, KeyCount = rows };
                KeyValueStore.Append(
                    device, keys + (from * Width), values + (from * Width), Width, &segment, new AttentionBounds(1, rows, rows, rows),
                    new Elements(y[0], type), new Elements(y[1], type), Width, Width);
            },
            Width * type.Bytes(), Width * type.Bytes());
    }

    /// <summary>Rows of numbers between 1 and 2 or −2 and −1, whose halves are such bf16 numbers, too, or nearly zero.</summary>
    private float* Filled(long rows)
    {
        float* values = _arena.Floats(rows * Width);
        uint state = 99;
        for (long i = 0; i < rows * Width; i++)
        {
            state = (state * 1_664_525) + 1_013_904_223;
            ((uint*)values)[i] = (state & 0x807F_FFFF) | 0x3F80_0000;
        }

        return values;
    }

    private static void Copied(float* source, long from, int rows, nint target) =>
        new ReadOnlySpan<float>(source + (from * Width), rows * Width).CopyTo(new Span<float>((void*)target, rows * Width));

    /// <summary>Compares a call over all rows, on one thread and on three, with calls over parts.</summary>
    private void AssertParts(RowsRun run, params int[] rowBytes)
    {
        nint[] whole = [.. rowBytes.Select(bytes => _arena.Allocate((long)Tokens * bytes))];
        nint[] part = [.. rowBytes.Select(bytes => _arena.Allocate((long)Part * bytes))];
        using var one = new CpuDevice(1);
        foreach (int threads in (int[])[1, 3])
        {
            using var device = new CpuDevice(threads);
            run(device, 0, Tokens, whole);
            for (int from = 0; from < Tokens; from += Part)
            {
                int rows = Math.Min(Part, Tokens - from);
                run(one, from, rows, part);
                for (int i = 0; i < rowBytes.Length; i++)
                {
                    var expected = new ReadOnlySpan<byte>((void*)part[i], rows * rowBytes[i]);
                    var actual = new ReadOnlySpan<byte>((void*)(whole[i] + ((nint)from * rowBytes[i])), rows * rowBytes[i]);
                    Assert.True(actual.SequenceEqual(expected), $"{threads} threads: output {i}, rows from {from} on differ");
                }
            }
        }
    }
}
