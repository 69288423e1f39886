using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
                    TransposeStrip(source + (s * width * stride), stride, depth, target + ((long)s * depth * width), width);
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
                    TransposeStrip(source + (s * width * stride), stride, depth, target + ((long)s * depth * width), width);
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

    /// <summary>Turns <paramref name="width"/> rows of <paramref name="depth"/> elements into depth rows of width elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeStrip(float* source, long stride, int depth, float* target, int width)
    {
        int p = 0;
        for (; p + 16 <= depth; p += 16)
        {
            // Sixteen sums of four lanes at a time: every cache line is used up while it is near, even where the rows
            // are a power of two apart and share a set.
            for (int l = 0; l < width; l += 4)
            {
                float* row = source + (l * stride) + p;
                float* to = target + (p * width) + l;
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
            for (int l = 0; l < width; l++)
            {
                target[(p * width) + l] = source[(l * stride) + p];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeStrip(ushort* source, long stride, int depth, float* target, int width)
    {
        int p = 0;
        for (; p + 16 <= depth; p += 16)
        {
            for (int l = 0; l < width; l += 4)
            {
                ushort* row = source + (l * stride) + p;
                float* to = target + (p * width) + l;
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
            for (int l = 0; l < width; l++)
            {
                target[(p * width) + l] = Bf16.Widen(source[(l * stride) + p]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTransposed(
        Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d, float* target, int width)
    {
        // (a0 b0 a1 b1) and (c0 d0 c1 d1) make rows 0 and 1, the upper halves rows 2 and 3.
        Vector128<float> abLow = Interleave.Lower(a, b);
        Vector128<float> abHigh = Interleave.Upper(a, b);
        Vector128<float> cdLow = Interleave.Lower(c, d);
        Vector128<float> cdHigh = Interleave.Upper(c, d);
        Vector128.Create(abLow.GetLower(), cdLow.GetLower()).Store(target);
        Vector128.Create(abLow.GetUpper(), cdLow.GetUpper()).Store(target + width);
        Vector128.Create(abHigh.GetLower(), cdHigh.GetLower()).Store(target + (2 * width));
        Vector128.Create(abHigh.GetUpper(), cdHigh.GetUpper()).Store(target + (3 * width));
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
                    for (int l = 0; l < width; l += 4)
                    {
                        Widen4(from + l).Store(to + l);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPartialStrip(in Operand operand, int lane, int lanes, int start, int depth, float* target, int width)
    {
        long laneStep = operand.RunsAlongSum ? operand.Stride : 1;
        long sumStep = operand.RunsAlongSum ? 1 : operand.Stride;
        long first = (lane * laneStep) + (start * sumStep);
        new Span<float>(target, depth * width).Clear();
        for (int p = 0; p < depth; p++)
        {
            for (int l = 0; l < lanes; l++)
            {
                long index = first + (l * laneStep) + (p * sumStep);
                target[(p * width) + l] =
                    operand.IsBf16 ? Bf16.Widen(((ushort*)operand.Address)[index]) : ((float*)operand.Address)[index];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Widen4(ushort* source)
    {
        Vector128<ushort> halves = Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16();
        return (Vector128.WidenLower(halves) << 16).AsSingle();
    }
}
