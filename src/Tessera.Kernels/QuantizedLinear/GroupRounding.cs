using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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

    /// <summary>Reads <paramref name="count"/> floats, at most 32; the rest of the group is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public unsafe RoundingGroup(float* values, int count)
    {
        if (count >= DTypes.GroupElements)
        {
            _low = Vector512.Load(values);
            _high = Vector512.Load(values + 16);
        }
        else
        {
            _low = count >= 16 ? Vector512.Load(values) : VectorMath.LoadPart(values, count);
            _high = count > 16 ? VectorMath.LoadPart(values + 16, count - 16) : Vector512<float>.Zero;
        }
    }

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
            return BitConverter.Int32BitsToSingle(Math.Max(quarter.ToScalar(), quarter.GetElement(1)));
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
        Vector256<short> first = Vector256.Narrow(low.GetLower(), low.GetUpper());
        Vector256<short> second = Vector256.Narrow(high.GetLower(), high.GetUpper());
        return Vector256.Narrow(first, second).AsByte();
    }
}
