using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    /// <summary>A tile with a block of 2 tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void VnniTwo<TWeights>(byte* w, byte* x, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += 80)
        {
            if (Sse.IsSupported)
            {
                // Few tokens wait for memory: ask for the lines some records ahead.
                for (int line = 0; line < TWeights.RecordBytes; line += 64)
                {
                    Sse.Prefetch0(w + PrefetchBytes + line);
                }
            }

            Vector256<int> l0 = Vector256.Create(*(int*)(x + 72)), h0 = l0;
            Vector256<int> l1 = Vector256.Create(*(int*)(x + 76)), h1 = l1;
            byte* pair = w;
            for (byte* v = x; v != x + 64; v += 16, pair += TWeights.PairBytes)
            {
                TWeights.Even(pair, out Vector256<byte> low, out Vector256<byte> high);
                var quad = Vector256.Create(*(int*)v).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                quad = Vector256.Create(*(int*)(v + 4)).AsSByte();
                l1 = AvxVnni.MultiplyWideningAndAdd(l1, low, quad);
                h1 = AvxVnni.MultiplyWideningAndAdd(h1, high, quad);
                TWeights.Odd(pair, out low, out high);
                quad = Vector256.Create(*(int*)(v + 8)).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                quad = Vector256.Create(*(int*)(v + 12)).AsSByte();
                l1 = AvxVnni.MultiplyWideningAndAdd(l1, low, quad);
                h1 = AvxVnni.MultiplyWideningAndAdd(h1, high, quad);
            }

            float* scales = (float*)(x + 64);
            Vector512<float> rowScales = WidenScales(w + TWeights.RecordBytes - ScaleBytes);
            Add(sums, l0, h0, scales, rowScales);
            Add(sums + 16, l1, h1, scales + 1, rowScales);
        }
    }

    /// <summary>A tile with one token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void VnniOne<TWeights>(byte* w, byte* x, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += 40)
        {
            if (Sse.IsSupported)
            {
                // Few tokens wait for memory: ask for the lines some records ahead.
                for (int line = 0; line < TWeights.RecordBytes; line += 64)
                {
                    Sse.Prefetch0(w + PrefetchBytes + line);
                }
            }

            Vector256<int> l0 = Vector256.Create(*(int*)(x + 36)), h0 = l0;
            byte* pair = w;
            for (byte* v = x; v != x + 32; v += 8, pair += TWeights.PairBytes)
            {
                TWeights.Even(pair, out Vector256<byte> low, out Vector256<byte> high);
                var quad = Vector256.Create(*(int*)v).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                TWeights.Odd(pair, out low, out high);
                quad = Vector256.Create(*(int*)(v + 4)).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
            }

            float* scales = (float*)(x + 32);
            Vector512<float> rowScales = WidenScales(w + TWeights.RecordBytes - ScaleBytes);
            Add(sums, l0, h0, scales, rowScales);
        }
    }
}
