using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    /// <summary>
    /// Turns sixteen rows of sixteen elements into columns: target[q·width + l] = source[l·stride + q]. Whole cache lines are
    /// read and written, which a strip of 32 lanes takes twice beside each other.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose16(float* source, long stride, float* target, int width)
    {
        var (a0, a1, a2, a3) = Quads(
            Vector512.Load(source), Vector512.Load(source + stride), Vector512.Load(source + (2 * stride)),
            Vector512.Load(source + (3 * stride)));
        source += 4 * stride;
        var (b0, b1, b2, b3) = Quads(
            Vector512.Load(source), Vector512.Load(source + stride), Vector512.Load(source + (2 * stride)),
            Vector512.Load(source + (3 * stride)));
        source += 4 * stride;
        var (c0, c1, c2, c3) = Quads(
            Vector512.Load(source), Vector512.Load(source + stride), Vector512.Load(source + (2 * stride)),
            Vector512.Load(source + (3 * stride)));
        source += 4 * stride;
        var (d0, d1, d2, d3) = Quads(
            Vector512.Load(source), Vector512.Load(source + stride), Vector512.Load(source + (2 * stride)),
            Vector512.Load(source + (3 * stride)));
        long step = 4L * width;
        StoreLanes(a0, b0, c0, d0, target, step);
        StoreLanes(a1, b1, c1, d1, target + width, step);
        StoreLanes(a2, b2, c2, d2, target + (2 * width), step);
        StoreLanes(a3, b3, c3, d3, target + (3 * width), step);
    }

    /// <inheritdoc cref="Transpose16(float*, long, float*, int)" />
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose16(ushort* source, long stride, float* target, int width)
    {
        var (a0, a1, a2, a3) = Quads(
            Widen16(source), Widen16(source + stride), Widen16(source + (2 * stride)), Widen16(source + (3 * stride)));
        source += 4 * stride;
        var (b0, b1, b2, b3) = Quads(
            Widen16(source), Widen16(source + stride), Widen16(source + (2 * stride)), Widen16(source + (3 * stride)));
        source += 4 * stride;
        var (c0, c1, c2, c3) = Quads(
            Widen16(source), Widen16(source + stride), Widen16(source + (2 * stride)), Widen16(source + (3 * stride)));
        source += 4 * stride;
        var (d0, d1, d2, d3) = Quads(
            Widen16(source), Widen16(source + stride), Widen16(source + (2 * stride)), Widen16(source + (3 * stride)));
        long step = 4L * width;
        StoreLanes(a0, b0, c0, d0, target, step);
        StoreLanes(a1, b1, c1, d1, target + width, step);
        StoreLanes(a2, b2, c2, d2, target + (2 * width), step);
        StoreLanes(a3, b3, c3, d3, target + (3 * width), step);
    }

    /// <summary>Four rows to columns within each 128-bit part: part i of result q holds element 4i + q of the four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Q0, Vector512<float> Q1, Vector512<float> Q2, Vector512<float> Q3) Quads(
        Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<double> abLow = Avx512F.UnpackLow(a, b).AsDouble();
        Vector512<double> abHigh = Avx512F.UnpackHigh(a, b).AsDouble();
        Vector512<double> cdLow = Avx512F.UnpackLow(c, d).AsDouble();
        Vector512<double> cdHigh = Avx512F.UnpackHigh(c, d).AsDouble();
        return (
            Avx512F.UnpackLow(abLow, cdLow).AsSingle(), Avx512F.UnpackHigh(abLow, cdLow).AsSingle(),
            Avx512F.UnpackLow(abHigh, cdHigh).AsSingle(), Avx512F.UnpackHigh(abHigh, cdHigh).AsSingle());
    }

    /// <summary>Stores part i of all four, one behind the other, at target + i·step.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLanes(
        Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* target, long step)
    {
        Vector512<float> abEven = Avx512F.Shuffle4x128(a, b, 0x88);
        Vector512<float> abOdd = Avx512F.Shuffle4x128(a, b, 0xDD);
        Vector512<float> cdEven = Avx512F.Shuffle4x128(c, d, 0x88);
        Vector512<float> cdOdd = Avx512F.Shuffle4x128(c, d, 0xDD);
        Avx512F.Shuffle4x128(abEven, cdEven, 0x88).Store(target);
        Avx512F.Shuffle4x128(abOdd, cdOdd, 0x88).Store(target + step);
        Avx512F.Shuffle4x128(abEven, cdEven, 0xDD).Store(target + (2 * step));
        Avx512F.Shuffle4x128(abOdd, cdOdd, 0xDD).Store(target + (3 * step));
    }
}
