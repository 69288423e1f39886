using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <summary>e^x on sixteen lanes.</summary>
/// <remarks>
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by a polynomial of degree 6; 2^n added to the exponent field.
/// Error: relative 3e-7 at most on [−86.6, 88]; below −86.6, −∞ included, the result is 0; above 88 it is +∞; NaN stays NaN;
/// e^0 is exactly 1. Same bits on every instruction set, because only fused multiply-adds and integer steps are used.
/// </remarks>
public static class AttentionExponential
{
    private const float Lowest = -86.6f;
    private const float Highest = 88f;
    private const float RoundingShift = 12_582_912f; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693145752f; // 15 significant bits, so n * Ln2High is exact.
    private const float Ln2Low = 1.42860677e-6f;

    /// <summary>e^x on every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        var high = Vector512.GreaterThan(x, Vector512.Create(Highest));
        return Vector512.ConditionalSelect(high, Vector512.Create(float.PositiveInfinity), ExpBelow88(x));
    }

    /// <summary>e^x on every lane where none is above 88, which saves a comparison: differences from a maximum are not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ExpBelow88(Vector512<float> x)
    {
        var shifted = Vector512.MultiplyAddEstimate(x, Vector512.Create(Log2E), Vector512.Create(RoundingShift));
        var n = shifted - Vector512.Create(RoundingShift);
        var r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-Ln2High), x);
        r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-Ln2Low), r);
        var p = Vector512.MultiplyAddEstimate(Vector512.Create(1f / 720f), r, Vector512.Create(1f / 120f));
        p = Vector512.MultiplyAddEstimate(p, r, Vector512.Create(1f / 24f));
        p = Vector512.MultiplyAddEstimate(p, r, Vector512.Create(1f / 6f));
        p = Vector512.MultiplyAddEstimate(p, r, Vector512.Create(0.5f));
        p = Vector512.MultiplyAddEstimate(p, r, Vector512<float>.One);
        p = Vector512.MultiplyAddEstimate(p, r, Vector512<float>.One);
        var scaled = (p.AsInt32() + (shifted.AsInt32() << 23)).AsSingle();
        scaled = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(Lowest)), Vector512<float>.Zero, scaled);
        return Vector512.ConditionalSelect(Vector512.Equals(x, x), scaled, x);
    }

    /// <summary>Largest lane, ignoring NaN as the processor's maximum does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Maximum(Vector512<float> x)
    {
        var eight = Vector256.MaxNative(x.GetLower(), x.GetUpper());
        var four = Vector128.MaxNative(eight.GetLower(), eight.GetUpper());
        four = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        four = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2)));
        return four.ToScalar();
    }

    /// <summary>Sum of the lanes as a fixed tree: halves, quarters, pairs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> x)
    {
        var eight = x.GetLower() + x.GetUpper();
        var four = eight.GetLower() + eight.GetUpper();
        four += Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        four += Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2));
        return four.ToScalar();
    }
}
