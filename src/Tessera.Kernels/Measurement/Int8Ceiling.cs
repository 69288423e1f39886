using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels.Measurement;

/// <summary>
/// Products of bytes and signed bytes summed to 32 bits, on registers alone, by the best instructions that .NET offers here.
/// A product and its addition count as two operations.
/// </summary>
internal static class Int8Ceiling
{
    private const int Steps = 400_000;

    /// <summary>Operations that a worker does in one call of <see cref="Run"/>.</summary>
    public static double OperationsPerWorker =>
        AvxVnni.IsSupported ? Steps * 12.0 * 32 * 2
        : Avx2.IsSupported ? Steps * 12.0 * 16 * 2
        : Vector128.IsHardwareAccelerated ? Steps * 8.0 * 8 * 2
        : Steps * 4.0 * 2;

    /// <summary>Runs the loop; the result keeps it from being dropped.</summary>
    public static int Run() =>
        AvxVnni.IsSupported ? Bytes256() : Avx2.IsSupported ? Words256() : Vector128.IsHardwareAccelerated ? Words128() : Scalar();

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static int Bytes256()
    {
        var u = Vector256.Create((byte)77);
        var s = Vector256.Create((sbyte)-3);
        var a0 = Vector256.Create(1);
        Vector256<int> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
        for (int i = 0; i < Steps; i++)
        {
            a0 = AvxVnni.MultiplyWideningAndAdd(a0, u, s);
            a1 = AvxVnni.MultiplyWideningAndAdd(a1, u, s);
            a2 = AvxVnni.MultiplyWideningAndAdd(a2, u, s);
            a3 = AvxVnni.MultiplyWideningAndAdd(a3, u, s);
            a4 = AvxVnni.MultiplyWideningAndAdd(a4, u, s);
            a5 = AvxVnni.MultiplyWideningAndAdd(a5, u, s);
            b0 = AvxVnni.MultiplyWideningAndAdd(b0, u, s);
            b1 = AvxVnni.MultiplyWideningAndAdd(b1, u, s);
            b2 = AvxVnni.MultiplyWideningAndAdd(b2, u, s);
            b3 = AvxVnni.MultiplyWideningAndAdd(b3, u, s);
            b4 = AvxVnni.MultiplyWideningAndAdd(b4, u, s);
            b5 = AvxVnni.MultiplyWideningAndAdd(b5, u, s);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + b0 + b1 + b2 + b3 + b4 + b5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static int Words256()
    {
        var u = Vector256.Create((short)77);
        var s = Vector256.Create((short)-3);
        var a0 = Vector256.Create(1);
        Vector256<int> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
        for (int i = 0; i < Steps; i++)
        {
            // An operand that changes keeps the product inside the loop.
            u += s;
            a0 += Avx2.MultiplyAddAdjacent(u, s);
            a1 -= Avx2.MultiplyAddAdjacent(u, a0.AsInt16());
            a2 += Avx2.MultiplyAddAdjacent(u, a1.AsInt16());
            a3 -= Avx2.MultiplyAddAdjacent(s, a0.AsInt16());
            a4 += Avx2.MultiplyAddAdjacent(s, a1.AsInt16());
            a5 -= Avx2.MultiplyAddAdjacent(s, b0.AsInt16());
            b0 += Avx2.MultiplyAddAdjacent(u, b1.AsInt16());
            b1 -= Avx2.MultiplyAddAdjacent(u, b2.AsInt16());
            b2 += Avx2.MultiplyAddAdjacent(u, b3.AsInt16());
            b3 -= Avx2.MultiplyAddAdjacent(s, b4.AsInt16());
            b4 += Avx2.MultiplyAddAdjacent(s, b5.AsInt16());
            b5 -= Avx2.MultiplyAddAdjacent(s, u);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + b0 + b1 + b2 + b3 + b4 + b5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static int Words128()
    {
        var u = Vector128.Create((short)77);
        var s = Vector128.Create((short)-3);
        var a0 = Vector128.Create((short)1);
        Vector128<short> a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (int i = 0; i < Steps; i++)
        {
            a0 = (a0 * u) + s;
            a1 = (a1 * u) + s;
            a2 = (a2 * u) + s;
            a3 = (a3 * u) + s;
            b0 = (b0 * u) + s;
            b1 = (b1 * u) + s;
            b2 = (b2 * u) + s;
            b3 = (b3 * u) + s;
        }

        return Vector128.Sum(a0 + a1 + a2 + a3 + b0 + b1 + b2 + b3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static int Scalar()
    {
        int a = 1, b = 2, c = 3, d = 4;
        for (int i = 0; i < Steps; i++)
        {
            a = (a * 77) - 3;
            b = (b * 77) - 3;
            c = (c * 77) - 3;
            d = (d * 77) - 3;
        }

        return a + b + c + d;
    }
}
