using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class KeyValueStoreTests
{
    [Theory]
    [InlineData(DType.F32, 1, 8)]
    [InlineData(DType.F32, 3, 33)]
    [InlineData(DType.F32, 70, 1024)]
    [InlineData(DType.BF16, 1, 8)]
    [InlineData(DType.BF16, 2, 31)]
    [InlineData(DType.BF16, 3, 32)]
    [InlineData(DType.BF16, 5, 65)]
    [InlineData(DType.BF16, 70, 1024)]
    public void Append_writes_exactly_the_new_rows(DType type, int count, int width)
    {
        const int stridePadding = 6;
        using var device = new CpuDevice(2);
        int stride = width + stridePadding, bytes = type.Bytes();
        using var source = GuardedFloats.Random(2L * count * width, 3, misalignment: 1);
        Special.CopyTo(source.Span[^Special.Length..]);
        long cacheBytes = (long)count * stride * bytes;
        using var keys = new GuardedFloats((cacheBytes + 3) / 4);
        using var values = new GuardedFloats((cacheBytes + 3) / 4);
        using var expectedKeys = new GuardedFloats((cacheBytes + 3) / 4);
        using var expectedValues = new GuardedFloats((cacheBytes + 3) / 4);
        float* sourceValues = source.Pointer + width;
        for (int i = 0; i < count; i++)
        {
            nint offset = i * stride * bytes;
            KeyValueStore.AppendReference(new(source.Pointer + (2 * i * width), width), type, (nint)expectedKeys.Pointer + offset);
            KeyValueStore.AppendReference(new(sourceValues + (2 * i * width), width), type, (nint)expectedValues.Pointer + offset);
        }

        var segment = new AttentionSegment { QueryCount = count, KeyCount = count };
        KeyValueStore.Append(
            device, source.Pointer, sourceValues, 2 * width, &segment, new AttentionBounds(1, count, count, count),
            new Elements((nint)keys.Pointer, type), new Elements((nint)values.Pointer, type), stride, width);

        // Rows are compared as bits and the padding between them still holds the poison of both buffers.
        AssertSameBits(expectedKeys, keys);
        AssertSameBits(expectedValues, values);
        keys.AssertGuardsIntact();
        values.AssertGuardsIntact();
    }

    [Fact]
    public void Append_rounds_ties_to_even_and_keeps_special_values()
    {
        using var device = new CpuDevice(1);
        using var source = new GuardedFloats(64);
        for (int i = 0; i < 64; i++)
        {
            source.Pointer[i] = Special[i % Special.Length];
        }

        var cache = stackalloc ushort[128];
        var segment = new AttentionSegment { QueryCount = 1, KeyCount = 1 };
        KeyValueStore.Append(
            device, source.Pointer, source.Pointer, 64, &segment, new AttentionBounds(1, 1, 1, 1),
            new Elements((nint)cache, DType.BF16), new Elements((nint)(cache + 64), DType.BF16), 64, 64);
        ushort[] expected = [0x3F80, 0x3F82, 0x7F80, 0xFF80, 0x8000, 0x7F80, 0x0000];
        for (int i = 0; i < 64; i++)
        {
            int kind = i % Special.Length;
            if (kind == expected.Length)
            {
                Assert.True(float.IsNaN(Bf16.Widen(cache[i])));
            }
            else
            {
                Assert.Equal(expected[kind], cache[i]);
            }
        }
    }

    [Fact]
    public void Append_refuses_rows_that_do_not_fit_their_stride()
    {
        using var device = new CpuDevice(1);
        var segment = stackalloc AttentionSegment[1];
        *segment = new() { QueryCount = 1, KeyCount = 1 };
        Assert.Contains("8 elements", Error(7, DType.F32, DType.F32), StringComparison.Ordinal);
        Assert.Contains("i32", Error(8, DType.I32, DType.I32), StringComparison.Ordinal);
        Assert.Contains("f32 and bf16", Error(8, DType.F32, DType.BF16), StringComparison.Ordinal);
        *segment = new() { QueryCount = 2, KeyCount = 1 };
        Assert.Contains("2 new positions of 1", Error(8, DType.F32, DType.F32), StringComparison.Ordinal);

        string Error(long stride, DType keys, DType values) => Assert.Throws<ArgumentException>(() => KeyValueStore.Append(
            device, null, null, stride, segment, new AttentionBounds(1, 1, 1, 1), new Elements(0, keys), new Elements(0, values), 8, 8)).Message;
    }

    [Theory]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.BF16, 3)]
    public void Several_sequences_go_to_their_own_pages_and_rows(DType type, int threads)
    {
        const int Width = 32, Pages = 7, Source = (2 * Width) + 5;
        const int PagePositions = AttentionSegment.PagePositions;
        using var device = new CpuDevice(threads);
        int bytes = type.Bytes();

        // A chunk over two page borders, one token behind a prefix, and a sequence that lies in a row behind the pages.
        int* first = stackalloc int[] { 5, 0, 3 }, second = stackalloc int[] { 6 };
        var segments = stackalloc AttentionSegment[]
        {
            new() { QueryStart = 0, QueryCount = 100, KeyCount = 160, Pages = first },
            new() { QueryStart = 100, QueryCount = 1, KeyCount = 40, Pages = second },
            new() { QueryStart = 101, QueryCount = 3, KeyCount = 5, KeyStart = (Pages * PagePositions) + 2 },
        };
        var bounds = AttentionBounds.Of(new ReadOnlySpan<AttentionSegment>(segments, 3));
        Assert.Equal(new AttentionBounds(3, 104, 100, 160), bounds);
        using var source = GuardedFloats.Random((long)bounds.Tokens * Source, 5);
        const long Rows = (Pages * PagePositions) + 10;
        using var keys = new GuardedFloats(Rows * Width * bytes / 4);
        using var values = new GuardedFloats(Rows * Width * bytes / 4);
        using var expectedKeys = new GuardedFloats(Rows * Width * bytes / 4);
        using var expectedValues = new GuardedFloats(Rows * Width * bytes / 4);
        for (int s = 0; s < 3; s++)
        {
            for (int i = 0; i < segments[s].QueryCount; i++)
            {
                int position = segments[s].KeyCount - segments[s].QueryCount + i;
                long row = segments[s].Pages == null
                    ? segments[s].KeyStart + position
                    : ((long)segments[s].Pages[position / PagePositions] * PagePositions) + (position % PagePositions);
                float* token = source.Pointer + ((long)(segments[s].QueryStart + i) * Source);
                nint offset = (nint)(row * Width * bytes);
                KeyValueStore.AppendReference(new(token, Width), type, (nint)expectedKeys.Pointer + offset);
                KeyValueStore.AppendReference(new(token + Width, Width), type, (nint)expectedValues.Pointer + offset);
            }
        }

        KeyValueStore.Append(
            device, source.Pointer, source.Pointer + Width, Source, segments, bounds, new Elements((nint)keys.Pointer, type),
            new Elements((nint)values.Pointer, type), Width, Width);
        AssertSameBits(expectedKeys, keys);
        AssertSameBits(expectedValues, values);
        keys.AssertGuardsIntact();
        values.AssertGuardsIntact();
    }

    /// <summary>
    /// Two ties (down to even, up to even), infinities, −0, the largest float (rounds to infinity), a denormal, and a NaN
    /// whose payload sits in the lower half.
    /// </summary>
    private static ReadOnlySpan<float> Special => new[]
    {
        BitConverter.UInt32BitsToSingle(0x3F80_8000), BitConverter.UInt32BitsToSingle(0x3F81_8000), float.PositiveInfinity,
        float.NegativeInfinity, -0f, float.MaxValue, float.Epsilon, BitConverter.UInt32BitsToSingle(0x7F80_0001),
    };

    private static void AssertSameBits(GuardedFloats expected, GuardedFloats actual) =>
        Assert.True(MemoryMarshal.AsBytes(expected.Span).SequenceEqual(MemoryMarshal.AsBytes(actual.Span)));
}
