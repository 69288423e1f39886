using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class Linear
{
    private const int PrefetchAhead = 256;

    // Twice as far in bytes where arithmetic fills the window in which the processor would find later loads by itself.
    private const int FarAheadBf16 = 512;

    // Every dot product has one vector accumulator and this tree at its end, whatever number of rows and tokens a kernel
    // handles at once: an output's bits do not depend on its neighbours.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(Vector512<float> a) => Sum(a.GetLower() + a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(Vector256<float> a)
    {
        Vector256<float> pairs = Avx.HorizontalAdd(a, a);
        Vector256<float> quads = Avx.HorizontalAdd(pairs, pairs);
        return quads[0] + quads[4];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sum4(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d) =>
        Sum4(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper(), c.GetLower() + c.GetUpper(), d.GetLower() + d.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sum4(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> quads = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        return quads.GetLower() + quads.GetUpper();
    }

    /// <summary>Four rows of an f32 weight with one token, 16 lanes, two steps a turn: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x512T1R4(float* w, long wStride, float* x, int length, float* sums)
    {
        // Four rows of a large weight streamed 5 to 15 % faster than eight; two steps a turn leave the loop's own
        // instructions behind.
        float* w1 = w + wStride;
        float* w2 = w + (2 * wStride);
        float* w3 = w + (3 * wStride);
        long gap = (4 * wStride) - length;
        var s0 = Vector512<float>.Zero;
        var s1 = Vector512<float>.Zero;
        var s2 = Vector512<float>.Zero;
        var s3 = Vector512<float>.Zero;
        int i = 0;
        for (; i + 32 <= length; i += 32)
        {
            // Without these four rows reached 72 % of a plain read from memory.
            long ahead = i + VectorMath.AheadInRow(i, PrefetchAhead, length, gap);
            VectorMath.Prefetch(w + ahead);
            VectorMath.Prefetch(w1 + ahead);
            VectorMath.Prefetch(w2 + ahead);
            VectorMath.Prefetch(w3 + ahead);
            VectorMath.Prefetch(w + ahead + 16);
            VectorMath.Prefetch(w1 + ahead + 16);
            VectorMath.Prefetch(w2 + ahead + 16);
            VectorMath.Prefetch(w3 + ahead + 16);
            var low = Vector512.Load(x + i);
            var high = Vector512.Load(x + i + 16);
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i), low, s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Load(w1 + i), low, s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.Load(w2 + i), low, s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.Load(w3 + i), low, s3);
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i + 16), high, s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Load(w1 + i + 16), high, s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.Load(w2 + i + 16), high, s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.Load(w3 + i + 16), high, s3);
        }

        if (i < length)
        {
            var last = Vector512.Load(x + i);
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i), last, s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Load(w1 + i), last, s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.Load(w2 + i), last, s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.Load(w3 + i), last, s3);
        }

        Sum4(s0, s1, s2, s3).Store(sums);
    }

    /// <summary>One row of an f32 weight with one token, 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x512T1R1(float* w, float* x, int length, float* sums)
    {
        var s00 = Vector512<float>.Zero;
        for (int i = 0; i < length; i += 16)
        {
            var v0 = Vector512.Load(x + i);
            var row = Vector512.Load(w + i);
            s00 = Vector512.FusedMultiplyAdd(row, v0, s00);
        }

        *sums = Sum(s00);
    }

    /// <summary>Four rows of an f32 weight with two tokens, 16 lanes: sums[token * 4 + row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x512T2R4(float* w, long wStride, float* x, long xStride, int length, float* sums)
    {
        float* x1 = x + xStride;
        float* w1 = w + wStride;
        float* w2 = w + (2 * wStride);
        float* w3 = w + (3 * wStride);
        long gap = (4 * wStride) - length;
        var s00 = Vector512<float>.Zero;
        var s01 = Vector512<float>.Zero;
        var s02 = Vector512<float>.Zero;
        var s03 = Vector512<float>.Zero;
        var s10 = Vector512<float>.Zero;
        var s11 = Vector512<float>.Zero;
        var s12 = Vector512<float>.Zero;
        var s13 = Vector512<float>.Zero;
        for (int i = 0; i < length; i += 16)
        {
            long ahead = i + VectorMath.AheadInRow(i, PrefetchAhead, length, gap);
            VectorMath.Prefetch(w + ahead);
            VectorMath.Prefetch(w1 + ahead);
            VectorMath.Prefetch(w2 + ahead);
            VectorMath.Prefetch(w3 + ahead);
            var v0 = Vector512.Load(x + i);
            var v1 = Vector512.Load(x1 + i);
            var row = Vector512.Load(w + i);
            s00 = Vector512.FusedMultiplyAdd(row, v0, s00);
            s10 = Vector512.FusedMultiplyAdd(row, v1, s10);
            row = Vector512.Load(w1 + i);
            s01 = Vector512.FusedMultiplyAdd(row, v0, s01);
            s11 = Vector512.FusedMultiplyAdd(row, v1, s11);
            row = Vector512.Load(w2 + i);
            s02 = Vector512.FusedMultiplyAdd(row, v0, s02);
            s12 = Vector512.FusedMultiplyAdd(row, v1, s12);
            row = Vector512.Load(w3 + i);
            s03 = Vector512.FusedMultiplyAdd(row, v0, s03);
            s13 = Vector512.FusedMultiplyAdd(row, v1, s13);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
        Sum4(s10, s11, s12, s13).Store(sums + 4);
    }

    /// <summary>Four rows of an f32 weight with four tokens, 16 lanes: sums[token * 4 + row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x512T4R4(float* w, long wStride, float* x, long xStride, int length, float* sums)
    {
        float* x1 = x + xStride;
        float* x2 = x + (2 * xStride);
        float* x3 = x + (3 * xStride);
        float* w1 = w + wStride;
        float* w2 = w + (2 * wStride);
        float* w3 = w + (3 * wStride);
        long gap = (4 * wStride) - length;
        var s00 = Vector512<float>.Zero;
        var s01 = Vector512<float>.Zero;
        var s02 = Vector512<float>.Zero;
        var s03 = Vector512<float>.Zero;
        var s10 = Vector512<float>.Zero;
        var s11 = Vector512<float>.Zero;
        var s12 = Vector512<float>.Zero;
        var s13 = Vector512<float>.Zero;
        var s20 = Vector512<float>.Zero;
        var s21 = Vector512<float>.Zero;
        var s22 = Vector512<float>.Zero;
        var s23 = Vector512<float>.Zero;
        var s30 = Vector512<float>.Zero;
        var s31 = Vector512<float>.Zero;
        var s32 = Vector512<float>.Zero;
        var s33 = Vector512<float>.Zero;
        for (int i = 0; i < length; i += 16)
        {
            long ahead = i + VectorMath.AheadInRow(i, PrefetchAhead, length, gap);
            VectorMath.Prefetch(w + ahead);
            VectorMath.Prefetch(w1 + ahead);
            VectorMath.Prefetch(w2 + ahead);
            VectorMath.Prefetch(w3 + ahead);
            var v0 = Vector512.Load(x + i);
            var v1 = Vector512.Load(x1 + i);
            var v2 = Vector512.Load(x2 + i);
            var v3 = Vector512.Load(x3 + i);
            var row = Vector512.Load(w + i);
            s00 = Vector512.FusedMultiplyAdd(row, v0, s00);
            s10 = Vector512.FusedMultiplyAdd(row, v1, s10);
            s20 = Vector512.FusedMultiplyAdd(row, v2, s20);
            s30 = Vector512.FusedMultiplyAdd(row, v3, s30);
            row = Vector512.Load(w1 + i);
            s01 = Vector512.FusedMultiplyAdd(row, v0, s01);
            s11 = Vector512.FusedMultiplyAdd(row, v1, s11);
            s21 = Vector512.FusedMultiplyAdd(row, v2, s21);
            s31 = Vector512.FusedMultiplyAdd(row, v3, s31);
            row = Vector512.Load(w2 + i);
            s02 = Vector512.FusedMultiplyAdd(row, v0, s02);
            s12 = Vector512.FusedMultiplyAdd(row, v1, s12);
            s22 = Vector512.FusedMultiplyAdd(row, v2, s22);
            s32 = Vector512.FusedMultiplyAdd(row, v3, s32);
            row = Vector512.Load(w3 + i);
            s03 = Vector512.FusedMultiplyAdd(row, v0, s03);
            s13 = Vector512.FusedMultiplyAdd(row, v1, s13);
            s23 = Vector512.FusedMultiplyAdd(row, v2, s23);
            s33 = Vector512.FusedMultiplyAdd(row, v3, s33);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
        Sum4(s10, s11, s12, s13).Store(sums + 4);
        Sum4(s20, s21, s22, s23).Store(sums + 8);
        Sum4(s30, s31, s32, s33).Store(sums + 12);
    }

    /// <summary>Four rows of an f32 weight with one token, 8 lanes: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x256T1R4(float* w, long wStride, float* x, int length, float* sums)
    {
        float* w1 = w + wStride;
        float* w2 = w + (2 * wStride);
        float* w3 = w + (3 * wStride);
        var s00 = Vector256<float>.Zero;
        var s01 = Vector256<float>.Zero;
        var s02 = Vector256<float>.Zero;
        var s03 = Vector256<float>.Zero;
        for (int i = 0; i < length; i += 8)
        {
            var v0 = Vector256.Load(x + i);
            var row = Vector256.Load(w + i);
            s00 = Vector256.FusedMultiplyAdd(row, v0, s00);
            row = Vector256.Load(w1 + i);
            s01 = Vector256.FusedMultiplyAdd(row, v0, s01);
            row = Vector256.Load(w2 + i);
            s02 = Vector256.FusedMultiplyAdd(row, v0, s02);
            row = Vector256.Load(w3 + i);
            s03 = Vector256.FusedMultiplyAdd(row, v0, s03);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
    }

    /// <summary>One row of an f32 weight with one token, 8 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x256T1R1(float* w, float* x, int length, float* sums)
    {
        var s00 = Vector256<float>.Zero;
        for (int i = 0; i < length; i += 8)
        {
            var v0 = Vector256.Load(x + i);
            var row = Vector256.Load(w + i);
            s00 = Vector256.FusedMultiplyAdd(row, v0, s00);
        }

        *sums = Sum(s00);
    }
}
