using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class Linear
{
    // A vector of 32-bit words over bf16 weights holds two weights a word: the lower half (even index) becomes a float by
    // shifting, the upper (odd index) by masking. The token comes split into even and odd elements, one vector of each a
    // step, so weights are read in the order in which they are stored.

    /// <summary>Eight rows of a bf16 weight with one split token, 16 lanes: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x512T1R8(ushort* w, long wStride, float* x, int length, float* sums)
    {
        ushort* w1 = w + wStride;
        ushort* w2 = w + (2 * wStride);
        ushort* w3 = w + (3 * wStride);
        ushort* w4 = w + (4 * wStride);
        ushort* w5 = w + (5 * wStride);
        ushort* w6 = w + (6 * wStride);
        ushort* w7 = w + (7 * wStride);
        long gap = (8 * wStride) - length;
        var s00 = Vector512<float>.Zero;
        var s01 = Vector512<float>.Zero;
        var s02 = Vector512<float>.Zero;
        var s03 = Vector512<float>.Zero;
        var s04 = Vector512<float>.Zero;
        var s05 = Vector512<float>.Zero;
        var s06 = Vector512<float>.Zero;
        var s07 = Vector512<float>.Zero;
        var upper = Vector512.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 32)
        {
            long ahead = i + VectorMath.AheadInRow(i, PrefetchAhead, length, gap);
            VectorMath.Prefetch(w + ahead);
            VectorMath.Prefetch(w1 + ahead);
            VectorMath.Prefetch(w2 + ahead);
            VectorMath.Prefetch(w3 + ahead);
            VectorMath.Prefetch(w4 + ahead);
            VectorMath.Prefetch(w5 + ahead);
            VectorMath.Prefetch(w6 + ahead);
            VectorMath.Prefetch(w7 + ahead);
            var even = Vector512.Load(x + i);
            var odd = Vector512.Load(x + i + 16);
            var pairs = Vector512.Load(w + i).AsUInt32();
            s00 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s00);
            s00 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s00);
            pairs = Vector512.Load(w1 + i).AsUInt32();
            s01 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s01);
            s01 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s01);
            pairs = Vector512.Load(w2 + i).AsUInt32();
            s02 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s02);
            s02 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s02);
            pairs = Vector512.Load(w3 + i).AsUInt32();
            s03 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s03);
            s03 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s03);
            pairs = Vector512.Load(w4 + i).AsUInt32();
            s04 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s04);
            s04 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s04);
            pairs = Vector512.Load(w5 + i).AsUInt32();
            s05 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s05);
            s05 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s05);
            pairs = Vector512.Load(w6 + i).AsUInt32();
            s06 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s06);
            s06 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s06);
            pairs = Vector512.Load(w7 + i).AsUInt32();
            s07 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s07);
            s07 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s07);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
        Sum4(s04, s05, s06, s07).Store(sums + 4);
    }

    /// <summary>Four rows of a bf16 weight with one split token, 16 lanes: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x512T1R4(ushort* w, long wStride, float* x, int length, float* sums)
    {
        ushort* w1 = w + wStride;
        ushort* w2 = w + (2 * wStride);
        ushort* w3 = w + (3 * wStride);
        var s00 = Vector512<float>.Zero;
        var s01 = Vector512<float>.Zero;
        var s02 = Vector512<float>.Zero;
        var s03 = Vector512<float>.Zero;
        var upper = Vector512.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 32)
        {
            var even = Vector512.Load(x + i);
            var odd = Vector512.Load(x + i + 16);
            var pairs = Vector512.Load(w + i).AsUInt32();
            s00 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s00);
            s00 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s00);
            pairs = Vector512.Load(w1 + i).AsUInt32();
            s01 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s01);
            s01 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s01);
            pairs = Vector512.Load(w2 + i).AsUInt32();
            s02 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s02);
            s02 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s02);
            pairs = Vector512.Load(w3 + i).AsUInt32();
            s03 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s03);
            s03 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s03);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
    }

    /// <summary>One row of a bf16 weight with one split token, 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x512T1R1(ushort* w, float* x, int length, float* sums)
    {
        var s00 = Vector512<float>.Zero;
        var upper = Vector512.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 32)
        {
            var even = Vector512.Load(x + i);
            var odd = Vector512.Load(x + i + 16);
            var pairs = Vector512.Load(w + i).AsUInt32();
            s00 = Vector512.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s00);
            s00 = Vector512.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s00);
        }

        *sums = Sum(s00);
    }

    /// <summary>Four rows of a bf16 weight with two split tokens, 16 lanes: sums[token * 4 + row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x512T2R4(ushort* w, long wStride, float* x, long xStride, int length, float* sums)
    {
        float* x1 = x + xStride;
        ushort* w1 = w + wStride;
        ushort* w2 = w + (2 * wStride);
        ushort* w3 = w + (3 * wStride);
        long gap = (4 * wStride) - length;
        var s00 = Vector512<float>.Zero;
        var s01 = Vector512<float>.Zero;
        var s02 = Vector512<float>.Zero;
        var s03 = Vector512<float>.Zero;
        var s10 = Vector512<float>.Zero;
        var s11 = Vector512<float>.Zero;
        var s12 = Vector512<float>.Zero;
        var s13 = Vector512<float>.Zero;
        var upper = Vector512.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 32)
        {
            long ahead = i + VectorMath.AheadInRow(i, FarAheadBf16, length, gap);
            VectorMath.Prefetch(w + ahead);
            VectorMath.Prefetch(w1 + ahead);
            VectorMath.Prefetch(w2 + ahead);
            VectorMath.Prefetch(w3 + ahead);
            var p0 = Vector512.Load(w + i).AsUInt32();
            var p1 = Vector512.Load(w1 + i).AsUInt32();
            var p2 = Vector512.Load(w2 + i).AsUInt32();
            var p3 = Vector512.Load(w3 + i).AsUInt32();
            var e0 = (p0 << 16).AsSingle();
            var e1 = (p1 << 16).AsSingle();
            var e2 = (p2 << 16).AsSingle();
            var e3 = (p3 << 16).AsSingle();
            var half = Vector512.Load(x + i);
            s00 = Vector512.FusedMultiplyAdd(e0, half, s00);
            s01 = Vector512.FusedMultiplyAdd(e1, half, s01);
            s02 = Vector512.FusedMultiplyAdd(e2, half, s02);
            s03 = Vector512.FusedMultiplyAdd(e3, half, s03);
            half = Vector512.Load(x1 + i);
            s10 = Vector512.FusedMultiplyAdd(e0, half, s10);
            s11 = Vector512.FusedMultiplyAdd(e1, half, s11);
            s12 = Vector512.FusedMultiplyAdd(e2, half, s12);
            s13 = Vector512.FusedMultiplyAdd(e3, half, s13);
            e0 = (p0 & upper).AsSingle();
            e1 = (p1 & upper).AsSingle();
            e2 = (p2 & upper).AsSingle();
            e3 = (p3 & upper).AsSingle();
            half = Vector512.Load(x + i + 16);
            s00 = Vector512.FusedMultiplyAdd(e0, half, s00);
            s01 = Vector512.FusedMultiplyAdd(e1, half, s01);
            s02 = Vector512.FusedMultiplyAdd(e2, half, s02);
            s03 = Vector512.FusedMultiplyAdd(e3, half, s03);
            half = Vector512.Load(x1 + i + 16);
            s10 = Vector512.FusedMultiplyAdd(e0, half, s10);
            s11 = Vector512.FusedMultiplyAdd(e1, half, s11);
            s12 = Vector512.FusedMultiplyAdd(e2, half, s12);
            s13 = Vector512.FusedMultiplyAdd(e3, half, s13);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
        Sum4(s10, s11, s12, s13).Store(sums + 4);
    }

    /// <summary>Four rows of a bf16 weight with four split tokens, 16 lanes: sums[token * 4 + row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x512T4R4(ushort* w, long wStride, float* x, long xStride, int length, float* sums)
    {
        float* x1 = x + xStride;
        float* x2 = x + (2 * xStride);
        float* x3 = x + (3 * xStride);
        ushort* w1 = w + wStride;
        ushort* w2 = w + (2 * wStride);
        ushort* w3 = w + (3 * wStride);
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
        var upper = Vector512.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 32)
        {
            // Worth a fifth of the time on weights larger than the caches.
            long ahead = i + VectorMath.AheadInRow(i, FarAheadBf16, length, gap);
            VectorMath.Prefetch(w + ahead);
            VectorMath.Prefetch(w1 + ahead);
            VectorMath.Prefetch(w2 + ahead);
            VectorMath.Prefetch(w3 + ahead);
            var p0 = Vector512.Load(w + i).AsUInt32();
            var p1 = Vector512.Load(w1 + i).AsUInt32();
            var p2 = Vector512.Load(w2 + i).AsUInt32();
            var p3 = Vector512.Load(w3 + i).AsUInt32();
            var e0 = (p0 << 16).AsSingle();
            var e1 = (p1 << 16).AsSingle();
            var e2 = (p2 << 16).AsSingle();
            var e3 = (p3 << 16).AsSingle();
            var half = Vector512.Load(x + i);
            s00 = Vector512.FusedMultiplyAdd(e0, half, s00);
            s01 = Vector512.FusedMultiplyAdd(e1, half, s01);
            s02 = Vector512.FusedMultiplyAdd(e2, half, s02);
            s03 = Vector512.FusedMultiplyAdd(e3, half, s03);
            half = Vector512.Load(x1 + i);
            s10 = Vector512.FusedMultiplyAdd(e0, half, s10);
            s11 = Vector512.FusedMultiplyAdd(e1, half, s11);
            s12 = Vector512.FusedMultiplyAdd(e2, half, s12);
            s13 = Vector512.FusedMultiplyAdd(e3, half, s13);
            half = Vector512.Load(x2 + i);
            s20 = Vector512.FusedMultiplyAdd(e0, half, s20);
            s21 = Vector512.FusedMultiplyAdd(e1, half, s21);
            s22 = Vector512.FusedMultiplyAdd(e2, half, s22);
            s23 = Vector512.FusedMultiplyAdd(e3, half, s23);
            half = Vector512.Load(x3 + i);
            s30 = Vector512.FusedMultiplyAdd(e0, half, s30);
            s31 = Vector512.FusedMultiplyAdd(e1, half, s31);
            s32 = Vector512.FusedMultiplyAdd(e2, half, s32);
            s33 = Vector512.FusedMultiplyAdd(e3, half, s33);
            e0 = (p0 & upper).AsSingle();
            e1 = (p1 & upper).AsSingle();
            e2 = (p2 & upper).AsSingle();
            e3 = (p3 & upper).AsSingle();
            half = Vector512.Load(x + i + 16);
            s00 = Vector512.FusedMultiplyAdd(e0, half, s00);
            s01 = Vector512.FusedMultiplyAdd(e1, half, s01);
            s02 = Vector512.FusedMultiplyAdd(e2, half, s02);
            s03 = Vector512.FusedMultiplyAdd(e3, half, s03);
            half = Vector512.Load(x1 + i + 16);
            s10 = Vector512.FusedMultiplyAdd(e0, half, s10);
            s11 = Vector512.FusedMultiplyAdd(e1, half, s11);
            s12 = Vector512.FusedMultiplyAdd(e2, half, s12);
            s13 = Vector512.FusedMultiplyAdd(e3, half, s13);
            half = Vector512.Load(x2 + i + 16);
            s20 = Vector512.FusedMultiplyAdd(e0, half, s20);
            s21 = Vector512.FusedMultiplyAdd(e1, half, s21);
            s22 = Vector512.FusedMultiplyAdd(e2, half, s22);
            s23 = Vector512.FusedMultiplyAdd(e3, half, s23);
            half = Vector512.Load(x3 + i + 16);
            s30 = Vector512.FusedMultiplyAdd(e0, half, s30);
            s31 = Vector512.FusedMultiplyAdd(e1, half, s31);
            s32 = Vector512.FusedMultiplyAdd(e2, half, s32);
            s33 = Vector512.FusedMultiplyAdd(e3, half, s33);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
        Sum4(s10, s11, s12, s13).Store(sums + 4);
        Sum4(s20, s21, s22, s23).Store(sums + 8);
        Sum4(s30, s31, s32, s33).Store(sums + 12);
    }

    /// <summary>Four rows of a bf16 weight with one split token, 8 lanes: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x256T1R4(ushort* w, long wStride, float* x, int length, float* sums)
    {
        ushort* w1 = w + wStride;
        ushort* w2 = w + (2 * wStride);
        ushort* w3 = w + (3 * wStride);
        var s00 = Vector256<float>.Zero;
        var s01 = Vector256<float>.Zero;
        var s02 = Vector256<float>.Zero;
        var s03 = Vector256<float>.Zero;
        var upper = Vector256.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 16)
        {
            var even = Vector256.Load(x + i);
            var odd = Vector256.Load(x + i + 8);
            var pairs = Vector256.Load(w + i).AsUInt32();
            s00 = Vector256.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s00);
            s00 = Vector256.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s00);
            pairs = Vector256.Load(w1 + i).AsUInt32();
            s01 = Vector256.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s01);
            s01 = Vector256.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s01);
            pairs = Vector256.Load(w2 + i).AsUInt32();
            s02 = Vector256.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s02);
            s02 = Vector256.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s02);
            pairs = Vector256.Load(w3 + i).AsUInt32();
            s03 = Vector256.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s03);
            s03 = Vector256.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s03);
        }

        Sum4(s00, s01, s02, s03).Store(sums);
    }

    /// <summary>One row of a bf16 weight with one split token, 8 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x256T1R1(ushort* w, float* x, int length, float* sums)
    {
        var s00 = Vector256<float>.Zero;
        var upper = Vector256.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 16)
        {
            var even = Vector256.Load(x + i);
            var odd = Vector256.Load(x + i + 8);
            var pairs = Vector256.Load(w + i).AsUInt32();
            s00 = Vector256.FusedMultiplyAdd((pairs << 16).AsSingle(), even, s00);
            s00 = Vector256.FusedMultiplyAdd((pairs & upper).AsSingle(), odd, s00);
        }

        *sums = Sum(s00);
    }
}
