using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    /// <summary>
    /// One side of a product as the packer sees it: lanes (rows of A, columns of B) and the summed index p. Elements lie
    /// at lane·Stride + p where the storage runs along p, else at p·Stride + lane.
    /// </summary>
    private readonly struct Operand(in MatrixView view, bool runsAlongSum)
    {
        public readonly nint Address = view.Address;
        public readonly long Stride = view.Stride;
        public readonly bool IsBf16 = view.Type == DType.BF16;
        public readonly bool RunsAlongSum = runsAlongSum;
    }

    /// <summary>
    /// Packs lanes [lane, lane + lanes) and sums [start, start + depth) into strips of <paramref name="width"/> lanes:
    /// strip s holds target[s·depth·width + p·width + l]. Missing lanes of the last strip become zeros.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(in Operand operand, int lane, int lanes, int start, int depth, float* target, int width)
    {
        long stride = operand.Stride;
        long first = operand.RunsAlongSum ? (lane * stride) + start : (start * stride) + lane;
        int whole = lanes / width;
        if (operand.IsBf16)
        {
            ushort* source = (ushort*)operand.Address + first;
            if (operand.RunsAlongSum)
            {
                for (int s = 0; s < whole; s++)
                {
                    TransposeStrip(source + (s * width * stride), stride, width, depth, target + ((long)s * depth * width), width);
                }
            }
            else
            {
                CopyStrips(source, stride, whole, depth, target, width);
            }
        }
        else
        {
            float* source = (float*)operand.Address + first;
            if (operand.RunsAlongSum)
            {
                for (int s = 0; s < whole; s++)
                {
                    TransposeStrip(source + (s * width * stride), stride, width, depth, target + ((long)s * depth * width), width);
                }
            }
            else
            {
                CopyStrips(source, stride, whole, depth, target, width);
            }
        }

        int rest = lanes - (whole * width);
        if (rest > 0)
        {
            PackPartialStrip(operand, lane + (whole * width), rest, start, depth, target + ((long)whole * depth * width), width);
        }
    }

    /// <summary>
    /// Turns <paramref name="lanes"/> rows (a multiple of four) of <paramref name="depth"/> elements into depth rows of
    /// <paramref name="width"/> elements, of which the first lanes are written.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeStrip(float* source, long stride, int lanes, int depth, float* target, int width)
    {
        int p = 0;
        for (; p + 16 <= depth; p += 16)
        {
            // Sixteen sums of four lanes at a time: every cache line is used up while it is near, even where the rows
            // are a power of two apart and share a set.
            int l = 0;
            for (; Avx512F.IsSupported && l + 16 <= lanes; l += 16)
            {
                float* rows = source + (l * stride) + p;
                for (int r = 0; r < 16; r++)
                {
                    Sse.Prefetch0(rows + (r * stride) + 64);
                }

                Transpose16(rows, stride, target + (p * width) + l, width);
            }

            for (; l < lanes; l += 4)
            {
                float* row = source + (l * stride) + p;
                float* to = target + (p * width) + l;
                if (Avx512F.IsSupported)
                {
                    // Four cache lines ahead in every row; a whole strip is more streams than the hardware follows.
                    Sse.Prefetch0(row + 64);
                    Sse.Prefetch0(row + stride + 64);
                    Sse.Prefetch0(row + (2 * stride) + 64);
                    Sse.Prefetch0(row + (3 * stride) + 64);
                    StoreTransposed(
                        Vector512.Load(row),
                        Vector512.Load(row + stride),
                        Vector512.Load(row + (2 * stride)),
                        Vector512.Load(row + (3 * stride)),
                        to,
                        width);
                    continue;
                }

                for (int q = 0; q < 16; q += 4)
                {
                    StoreTransposed(
                        Vector128.Load(row + q),
                        Vector128.Load(row + stride + q),
                        Vector128.Load(row + (2 * stride) + q),
                        Vector128.Load(row + (3 * stride) + q),
                        to + (q * width),
                        width);
                }
            }
        }

        for (; p < depth; p++)
        {
            for (int l = 0; l < lanes; l++)
            {
                target[(p * width) + l] = source[(l * stride) + p];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeStrip(ushort* source, long stride, int lanes, int depth, float* target, int width)
    {
        int p = 0;
        for (; p + 16 <= depth; p += 16)
        {
            int l = 0;
            for (; Avx512F.IsSupported && l + 16 <= lanes; l += 16)
            {
                ushort* rows = source + (l * stride) + p;
                for (int r = 0; r < 16; r++)
                {
                    Sse.Prefetch0(rows + (r * stride) + 128);
                }

                Transpose16(rows, stride, target + (p * width) + l, width);
            }

            for (; l < lanes; l += 4)
            {
                ushort* row = source + (l * stride) + p;
                float* to = target + (p * width) + l;
                if (Avx512F.IsSupported)
                {
                    // Four cache lines ahead in every row; a whole strip is more streams than the hardware follows.
                    Sse.Prefetch0(row + 128);
                    Sse.Prefetch0(row + stride + 128);
                    Sse.Prefetch0(row + (2 * stride) + 128);
                    Sse.Prefetch0(row + (3 * stride) + 128);
                    StoreTransposed(
                        Widen16(row), Widen16(row + stride), Widen16(row + (2 * stride)), Widen16(row + (3 * stride)), to, width);
                    continue;
                }

                for (int q = 0; q < 16; q += 4)
                {
                    StoreTransposed(
                        Widen4(row + q),
                        Widen4(row + stride + q),
                        Widen4(row + (2 * stride) + q),
                        Widen4(row + (3 * stride) + q),
                        to + (q * width),
                        width);
                }
            }
        }

        for (; p < depth; p++)
        {
            for (int l = 0; l < lanes; l++)
            {
                target[(p * width) + l] = Bf16.Widen(source[(l * stride) + p]);
            }
        }
    }

    /// <summary>Four lanes of sixteen sums: unpacking transposes every 128-bit part on its own, sums 4q to 4q + 3 in part q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTransposed(
        Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* target, int width)
    {
        Vector512<double> abLow = Avx512F.UnpackLow(a, b).AsDouble();
        Vector512<double> abHigh = Avx512F.UnpackHigh(a, b).AsDouble();
        Vector512<double> cdLow = Avx512F.UnpackLow(c, d).AsDouble();
        Vector512<double> cdHigh = Avx512F.UnpackHigh(c, d).AsDouble();
        long step = 4L * width;
        StoreParts(Avx512F.UnpackLow(abLow, cdLow).AsSingle(), target, step);
        StoreParts(Avx512F.UnpackHigh(abLow, cdLow).AsSingle(), target + width, step);
        StoreParts(Avx512F.UnpackLow(abHigh, cdHigh).AsSingle(), target + (2 * width), step);
        StoreParts(Avx512F.UnpackHigh(abHigh, cdHigh).AsSingle(), target + (3 * width), step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreParts(Vector512<float> parts, float* target, long step)
    {
        Avx512F.ExtractVector128(parts, 0).Store(target);
        Avx512F.ExtractVector128(parts, 1).Store(target + step);
        Avx512F.ExtractVector128(parts, 2).Store(target + (2 * step));
        Avx512F.ExtractVector128(parts, 3).Store(target + (3 * step));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTransposed(
        Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d, float* target, int width)
    {
        if (Sse.IsSupported)
        {
            // (a0 b0 a1 b1) and (c0 d0 c1 d1) make rows 0 and 1, the upper halves rows 2 and 3.
            Vector128<float> abLow = Sse.UnpackLow(a, b);
            Vector128<float> abHigh = Sse.UnpackHigh(a, b);
            Vector128<float> cdLow = Sse.UnpackLow(c, d);
            Vector128<float> cdHigh = Sse.UnpackHigh(c, d);
            Sse.MoveLowToHigh(abLow, cdLow).Store(target);
            Sse.MoveHighToLow(cdLow, abLow).Store(target + width);
            Sse.MoveLowToHigh(abHigh, cdHigh).Store(target + (2 * width));
            Sse.MoveHighToLow(cdHigh, abHigh).Store(target + (3 * width));
            return;
        }

        for (int q = 0; q < 4; q++)
        {
            target[(q * width) + 0] = a[q];
            target[(q * width) + 1] = b[q];
            target[(q * width) + 2] = c[q];
            target[(q * width) + 3] = d[q];
        }
    }

    /// <summary>Copies rows of strips whose lanes lie next to each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyStrips(float* source, long stride, int strips, int depth, float* target, int width)
    {
        // Eight rows of all strips at a time: reads stay within the cache lines that neighbouring strips share, and writes
        // stay in runs long enough not to fight over a cache set.
        for (int block = 0; block < depth; block += 8)
        {
            int end = Math.Min(block + 8, depth);
            for (int s = 0; s < strips; s++)
            {
                float* to = target + (((long)s * depth) + block) * width;
                for (int p = block; p < end; p++, to += width)
                {
                    float* from = source + (p * stride) + (s * width);
                    if (Sse.IsSupported)
                    {
                        // Sixteen rows ahead: short runs in distant rows are more than the hardware foresees.
                        Sse.Prefetch0(from + (16 * stride));
                        Sse.Prefetch0(from + (16 * stride) + width - 1);
                    }

                    if (width == 32)
                    {
                        Vector512.Load(from).Store(to);
                        Vector512.Load(from + 16).Store(to + 16);
                        continue;
                    }

                    if (width == 12 && s + 1 < strips && p + 1 < depth)
                    {
                        // One load and one store: the four lanes too many are overwritten by the row behind.
                        Vector512.Load(from).Store(to);
                        continue;
                    }

                    for (int l = 0; l < width; l += 4)
                    {
                        Vector128.Load(from + l).Store(to + l);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyStrips(ushort* source, long stride, int strips, int depth, float* target, int width)
    {
        for (int block = 0; block < depth; block += 8)
        {
            int end = Math.Min(block + 8, depth);
            for (int s = 0; s < strips; s++)
            {
                float* to = target + (((long)s * depth) + block) * width;
                for (int p = block; p < end; p++, to += width)
                {
                    ushort* from = source + (p * stride) + (s * width);
                    if (Sse.IsSupported)
                    {
                        Sse.Prefetch0(from + (16 * stride));
                    }

                    if (Avx512F.IsSupported && width == 32)
                    {
                        Widen16(from).Store(to);
                        Widen16(from + 16).Store(to + 16);
                        continue;
                    }

                    for (int l = 0; l < width; l += 4)
                    {
                        Widen4(from + l).Store(to + l);
                    }
                }
            }
        }
    }

    /// <summary>The last strip, with fewer lanes than its width: fours of transposed lanes as above, the others one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPartialStrip(in Operand operand, int lane, int lanes, int start, int depth, float* target, int width)
    {
        new Span<float>(target, depth * width).Clear();
        long laneStep = operand.RunsAlongSum ? operand.Stride : 1;
        long sumStep = operand.RunsAlongSum ? 1 : operand.Stride;
        long first = (lane * laneStep) + (start * sumStep);
        ushort* halves = (ushort*)operand.Address + first;
        float* floats = (float*)operand.Address + first;
        int fours = operand.RunsAlongSum ? lanes & ~3 : 0;
        if (operand.IsBf16)
        {
            TransposeStrip(halves, operand.Stride, fours, depth, target, width);
        }
        else
        {
            TransposeStrip(floats, operand.Stride, fours, depth, target, width);
        }

        for (int p = 0; p < depth; p++)
        {
            for (int l = fours; l < lanes; l++)
            {
                long index = (l * laneStep) + (p * sumStep);
                target[(p * width) + l] = operand.IsBf16 ? Bf16.Widen(halves[index]) : floats[index];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Widen4(ushort* source)
    {
        Vector128<ushort> halves = Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16();
        return (Vector128.WidenLower(halves) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen16(ushort* source) =>
        (Avx512F.ConvertToVector512UInt32(Vector256.Load(source)) << 16).AsSingle();
}
