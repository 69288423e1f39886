using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>A group of 32 floats, and its rounding to integers: the same bits on every instruction set.</summary>
internal readonly struct RoundingGroup
{
    // Adding 1.5·2²³ leaves a float of magnitude below 2²² as an integer in the low bits, rounded to nearest, ties to even.
    private const float Magic = 12582912f;
    private const int InfinityBits = 0x7F80_0000;

    private readonly Vector512<float> _low;
    private readonly Vector512<float> _high;

    private RoundingGroup(Vector512<float> low, Vector512<float> high)
    {
        _low = low;
        _high = high;
    }

    /// <summary>Reads 32 floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe RoundingGroup Load(float* values) => new(Vector512.Load(values), Vector512.Load(values + 16));

    /// <summary>Reads <paramref name="count"/> floats, at most 32; the rest of the group is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe RoundingGroup Load(float* values, int count) =>
        count >= DTypes.GroupElements ? Load(values) : LoadPart(values, count);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe RoundingGroup LoadPart(float* values, int count) => new(
        VectorMath.LoadPart(values, Math.Min(count, 16)), count > 16 ? VectorMath.LoadPart(values + 16, count - 16) : Vector512<float>.Zero);

    /// <summary>The largest magnitude; infinity or NaN if any element is one.</summary>
    public float Magnitude
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            // Magnitudes are ordered like their bits, infinities and NaNs above all numbers.
            var positive = Vector512.Create(int.MaxValue);
            Vector512<int> all = Vector512.Max(_low.AsInt32() & positive, _high.AsInt32() & positive);
            Vector256<int> half = Vector256.Max(all.GetLower(), all.GetUpper());
            Vector128<int> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
            quarter = Vector128.Max(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
            quarter = Vector128.Max(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2)));
            return quarter.AsSingle().ToScalar();
        }
    }

    /// <summary>Whether a magnitude is that of a number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsNumber(float magnitude) => BitConverter.SingleToInt32Bits(magnitude) < InfinityBits;

    /// <summary>Whether an element equals <paramref name="value"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(float value)
    {
        var wanted = Vector512.Create(value);
        return Vector512.EqualsAny(_low, wanted) || Vector512.EqualsAny(_high, wanted);
    }

    /// <summary>Every element times <paramref name="factor"/>, rounded to nearest; products must stay below 2²² in magnitude.</summary>
    /// <returns>The integers of the first 16 and of the last 16 elements.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (Vector512<int> Low, Vector512<int> High) Round(float factor)
    {
        var scale = Vector512.Create(factor);
        var magic = Vector512.Create(Magic);
        return (((_low * scale) + magic).AsInt32() - magic.AsInt32(), ((_high * scale) + magic).AsInt32() - magic.AsInt32());
    }

    /// <summary>Σ (x − d·q)², for the choice between scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float SquaredError(Vector512<int> low, Vector512<int> high, float scale)
    {
        var d = Vector512.Create(scale);
        Vector512<float> first = _low - (Vector512.ConvertToSingle(low) * d), second = _high - (Vector512.ConvertToSingle(high) * d);
        return VectorMath.Sum((first * first) + (second * second));
    }

    /// <summary>The low bytes of 32 integers, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Bytes(Vector512<int> low, Vector512<int> high)
    {
        if (Avx512F.IsSupported)
        {
            return Vector256.Create(Avx512F.ConvertToVector128Byte(low), Avx512F.ConvertToVector128Byte(high));
        }

        Vector256<short> first = Vector256.Narrow(low.GetLower(), low.GetUpper());
        Vector256<short> second = Vector256.Narrow(high.GetLower(), high.GetUpper());
        return Vector256.Narrow(first, second).AsByte();
    }

    /// <summary>Writes 8 dwords, <paramref name="stride"/> dwords apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Scatter(Vector256<byte> bytes, uint* target, int stride)
    {
        Vector128<uint> first = bytes.GetLower().AsUInt32(), second = bytes.GetUpper().AsUInt32();
        target[0] = first.ToScalar();
        target[stride] = first.GetElement(1);
        target[2 * stride] = first.GetElement(2);
        target[3 * stride] = first.GetElement(3);
        target += 4 * stride;
        target[0] = second.ToScalar();
        target[stride] = second.GetElement(1);
        target[2 * stride] = second.GetElement(2);
        target[3 * stride] = second.GetElement(3);
    }
}
