using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

/// <summary>Vector functions shared by the row kernels: exponential, fixed-order sums, partial loads and stores.</summary>
/// <remarks>Correct at every hardware level; fast where 512-bit registers exist.</remarks>
public static unsafe partial class VectorMath
{
    /// <summary>Floats in one vector.</summary>
    public const int Lanes = 16;

    /// <summary>
    /// Floats that a kernel asks for ahead of those it works on: 3 KiB, beyond what the hardware foresees. On two cores of a Zen 5
    /// server asking raised a copy from 0.78 to 1.0 of what four streams at once reach. Not a multiple of 4 KiB: what is asked for
    /// would take the places in the first-level cache of what is worked on, which cost RMSNorm's backward a quarter of its speed.
    /// </summary>
    internal const int FloatsAhead = 768;

    // More than one core's share of the last cache on current servers.
    private const long CacheBytes = 32L << 20;

    // exp(-104) is below half of the smallest denormal and exp(89) is above the largest finite float, so clamping to this
    // range changes no result and keeps the exponent an ordinary number.
    private const float LowestExponent = -104f;
    private const float HighestExponent = 89f;

    // ln 2 in two parts: the first has 9 trailing zero bits, so its product with an exponent of up to 9 bits is exact.
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;
    private const float Log2E = 1.44269504f;

    // exp(r) = 1 + r + r^2 q(r) on |r| <= ln 2 / 2: minimax in relative error (3.1e-9) by the Remez exchange.
    private const float Q0 = 0.49999993f;
    private const float Q1 = 0.16666521f;
    private const float Q2 = 0.041668388f;
    private const float Q3 = 0.008368717f;
    private const float Q4 = 0.00138145986f;

    /// <summary>e^x in every lane.</summary>
    /// <remarks>
    /// x = n ln 2 + r; e^x = 2^n (1 + r + r^2 q(r)).
    /// Error: relative at most 3e-7 for normal results; denormal results are within one unit of the last place.
    /// Tails: above 88.73 +Inf, below -103.98 zero, NaN stays NaN.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // Native minimum and maximum return the second operand where one is NaN, which keeps a NaN in x.
        x = Vector512.MinNative(Vector512.Create(HighestExponent), x);
        x = Vector512.MaxNative(Vector512.Create(LowestExponent), x);
        Vector512<float> n = Vector512.Round(x * Vector512.Create(Log2E));
        Vector512<float> r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-Ln2High), x);
        r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-Ln2Low), r);
        Vector512<float> q = Vector512.MultiplyAddEstimate(Vector512.Create(Q4), r, Vector512.Create(Q3));
        q = Vector512.MultiplyAddEstimate(q, r, Vector512.Create(Q2));
        q = Vector512.MultiplyAddEstimate(q, r, Vector512.Create(Q1));
        q = Vector512.MultiplyAddEstimate(q, r, Vector512.Create(Q0));
        q = Vector512.MultiplyAddEstimate(q, r, Vector512<float>.One);
        q = Vector512.MultiplyAddEstimate(q, r, Vector512<float>.One);
        return ScaleByPowerOfTwo(q, n);
    }

    /// <summary>The sum of the lanes: halves added until one lane is left, the same order at every hardware level.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> v)
    {
        Vector256<float> w = v.GetLower() + v.GetUpper();
        Vector128<float> x = w.GetLower() + w.GetUpper();
        x += Vector128.Shuffle(x, Vector128.Create(2, 3, 0, 1));
        return x.ToScalar() + x.GetElement(1);
    }

    /// <inheritdoc cref="Sum(Vector512{float})" />
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Sum(Vector512<double> v)
    {
        Vector256<double> w = v.GetLower() + v.GetUpper();
        Vector128<double> x = w.GetLower() + w.GetUpper();
        return x.ToScalar() + x.GetElement(1);
    }

    /// <summary>The largest lane; NaN lanes are ignored or returned, whichever the hardware does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(Vector512<float> v)
    {
        Vector256<float> w = Vector256.MaxNative(v.GetLower(), v.GetUpper());
        Vector128<float> x = Vector128.MaxNative(w.GetLower(), w.GetUpper());
        x = Vector128.MaxNative(x, Vector128.Shuffle(x, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(x.ToScalar(), x.GetElement(1));
    }

    /// <summary>The first <paramref name="count"/> (below 16) floats, the other lanes zero; nothing behind them is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadPart(float* source, int count) => LoadPart(source, count, 0f);

    /// <summary>The first <paramref name="count"/> (below 16) floats, the other lanes <paramref name="fill"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadPart(float* source, int count, float fill)
    {
        Vector512<float> v = Vector512.Create(fill);
        Unsafe.CopyBlockUnaligned(&v, source, (uint)count * sizeof(float));
        return v;
    }

    /// <summary>Stores the first <paramref name="count"/> (below 16) lanes; nothing behind them is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePart(Vector512<float> v, float* target, int count) =>
        Unsafe.CopyBlockUnaligned(target, &v, (uint)count * sizeof(float));

    /// <summary>
    /// Whether a kernel should write its output past the caches: it is larger than they are, so the consumer would not find it
    /// there, and not fetching lines that are overwritten whole saves a third of a copy's traffic. Rows must stay aligned.
    /// </summary>
    internal static bool WritesPastCaches(float* output, long rows, int width) =>
        WritesPastCaches(output, rows * width * sizeof(float)) && width % Lanes == 0;

    /// <summary>The same for an output that is written in whole aligned vectors of 64 bytes from its begin.</summary>
    internal static bool WritesPastCaches(void* output, long bytes) => bytes >= CacheBytes && (nint)output % 64 == 0;

    /// <summary>Stores a vector, past the caches (aligned) or through them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector512<float> v, float* target, bool pastCaches)
    {
        if (pastCaches)
        {
            v.StoreAlignedNonTemporal(target);
        }
        else
        {
            v.Store(target);
        }
    }

    /// <summary>
    /// Copies a row, past the caches (aligned) or through them, and asks for as many floats at <paramref name="ahead"/>, which the
    /// hardware does not foresee where the next row lies elsewhere.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CopyRow(float* source, float* target, int width, float* ahead, bool pastCaches)
    {
        int i = 0;
        for (; i <= width - 32; i += 32)
        {
            PrefetchOnce(ahead + i);
            PrefetchOnce(ahead + i + 16);
            Vector512<float> low = Vector512.Load(source + i), high = Vector512.Load(source + i + 16);
            Store(low, target + i, pastCaches);
            Store(high, target + i + 16, pastCaches);
        }

        for (; i <= width - 4; i += 4)
        {
            Vector128.Load(source + i).Store(target + i);
        }

        for (; i < width; i++)
        {
            target[i] = source[i];
        }
    }

    /// <summary>
    /// How far to ask ahead of element <paramref name="i"/> of a row that ends at <paramref name="end"/>, before
    /// <paramref name="gap"/> other elements: <paramref name="distance"/>, at the end of the row from the row behind the gap on. Asking
    /// for what lies in the gap instead, such as rows that are read side by side with this one, leaves the beginning of every row to
    /// be waited for: that cost SwiGLU a quarter of its speed, and products of one token with rows of 768 weights a third.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long AheadInRow(int i, int distance, int end, long gap) => distance + (i + distance < end ? 0 : gap);

    /// <summary>Asks for a line that will be needed soon, more than once; any address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Prefetch(void* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
        }
    }

    /// <summary>Asks for a line that will be needed soon, and then never again; any address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void PrefetchOnce(void* address)
    {
        if (Sse.IsSupported)
        {
            Sse.PrefetchNonTemporal(address);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> ScaleByPowerOfTwo(Vector512<float> v, Vector512<float> n)
    {
        if (Avx512F.IsSupported)
        {
            return Avx512F.Scale(v, n);
        }

        // Two steps of half the exponent each: both powers are normal floats, and only the second product can round.
        // A NaN lane has an arbitrary exponent here; its value stays NaN through the products.
        Vector512<int> whole = Vector512.ConvertToInt32(n);
        Vector512<int> half = whole >> 1;
        Vector512<int> rest = whole - half;
        Vector512<int> bias = Vector512.Create(127);
        return v * ((half + bias) << 23).AsSingle() * ((rest + bias) << 23).AsSingle();
    }
}
