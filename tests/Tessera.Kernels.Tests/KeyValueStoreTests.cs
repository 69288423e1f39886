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

        KeyValueStore.Append(
            device, source.Pointer, sourceValues, 2 * width, count, type, (nint)keys.Pointer, (nint)values.Pointer, stride, width);

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
        KeyValueStore.Append(device, source.Pointer, source.Pointer, 64, 1, DType.BF16, (nint)cache, (nint)(cache + 64), 64, 64);
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
        var error = Assert.Throws<ArgumentException>(() => KeyValueStore.Append(device, null, null, 7, 1, DType.F32, 0, 0, 8, 8));
        Assert.Contains("8 elements", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => KeyValueStore.Append(device, null, null, 8, 1, DType.I32, 0, 0, 8, 8));
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
