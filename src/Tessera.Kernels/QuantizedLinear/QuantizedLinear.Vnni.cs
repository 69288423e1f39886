using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    // How far ahead of the weights in use lines are asked for.
    private const int PrefetchBytes = 2048;

    // A tile of 16 rows is two vectors of 8 sums. The instruction that adds four products of unsigned and signed bytes to a sum
    // reaches the first 16 registers only: 6 tokens take 12 for sums, 2 for weights and 1 for a token's four bytes.

    /// <summary>A tile with a block of 6 tokens: sums[token, row] grow by the products of a number of groups.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void VnniSix<TWeights>(byte* w, byte* x, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += 240)
        {
            Vector256<int> l0 = Vector256.Create(*(int*)(x + 216)), h0 = l0;
            Vector256<int> l1 = Vector256.Create(*(int*)(x + 220)), h1 = l1;
            Vector256<int> l2 = Vector256.Create(*(int*)(x + 224)), h2 = l2;
            Vector256<int> l3 = Vector256.Create(*(int*)(x + 228)), h3 = l3;
            Vector256<int> l4 = Vector256.Create(*(int*)(x + 232)), h4 = l4;
            Vector256<int> l5 = Vector256.Create(*(int*)(x + 236)), h5 = l5;
            byte* pair = w;
            for (byte* v = x; v != x + 192; v += 48, pair += TWeights.PairBytes)
            {
                TWeights.Even(pair, out Vector256<byte> low, out Vector256<byte> high);
                var quad = Vector256.Create(*(int*)v).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                quad = Vector256.Create(*(int*)(v + 4)).AsSByte();
                l1 = AvxVnni.MultiplyWideningAndAdd(l1, low, quad);
                h1 = AvxVnni.MultiplyWideningAndAdd(h1, high, quad);
                quad = Vector256.Create(*(int*)(v + 8)).AsSByte();
                l2 = AvxVnni.MultiplyWideningAndAdd(l2, low, quad);
                h2 = AvxVnni.MultiplyWideningAndAdd(h2, high, quad);
                quad = Vector256.Create(*(int*)(v + 12)).AsSByte();
                l3 = AvxVnni.MultiplyWideningAndAdd(l3, low, quad);
                h3 = AvxVnni.MultiplyWideningAndAdd(h3, high, quad);
                quad = Vector256.Create(*(int*)(v + 16)).AsSByte();
                l4 = AvxVnni.MultiplyWideningAndAdd(l4, low, quad);
                h4 = AvxVnni.MultiplyWideningAndAdd(h4, high, quad);
                quad = Vector256.Create(*(int*)(v + 20)).AsSByte();
                l5 = AvxVnni.MultiplyWideningAndAdd(l5, low, quad);
                h5 = AvxVnni.MultiplyWideningAndAdd(h5, high, quad);
                TWeights.Odd(pair, out low, out high);
                quad = Vector256.Create(*(int*)(v + 24)).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                quad = Vector256.Create(*(int*)(v + 28)).AsSByte();
                l1 = AvxVnni.MultiplyWideningAndAdd(l1, low, quad);
                h1 = AvxVnni.MultiplyWideningAndAdd(h1, high, quad);
                quad = Vector256.Create(*(int*)(v + 32)).AsSByte();
                l2 = AvxVnni.MultiplyWideningAndAdd(l2, low, quad);
                h2 = AvxVnni.MultiplyWideningAndAdd(h2, high, quad);
                quad = Vector256.Create(*(int*)(v + 36)).AsSByte();
                l3 = AvxVnni.MultiplyWideningAndAdd(l3, low, quad);
                h3 = AvxVnni.MultiplyWideningAndAdd(h3, high, quad);
                quad = Vector256.Create(*(int*)(v + 40)).AsSByte();
                l4 = AvxVnni.MultiplyWideningAndAdd(l4, low, quad);
                h4 = AvxVnni.MultiplyWideningAndAdd(h4, high, quad);
                quad = Vector256.Create(*(int*)(v + 44)).AsSByte();
                l5 = AvxVnni.MultiplyWideningAndAdd(l5, low, quad);
                h5 = AvxVnni.MultiplyWideningAndAdd(h5, high, quad);
            }

            float* scales = (float*)(x + 192);
            Vector512<float> rowScales = WidenScales(w + TWeights.RecordBytes - ScaleBytes);
            Add(sums, l0, h0, scales, rowScales);
            Add(sums + 16, l1, h1, scales + 1, rowScales);
            Add(sums + 32, l2, h2, scales + 2, rowScales);
            Add(sums + 48, l3, h3, scales + 3, rowScales);
            Add(sums + 64, l4, h4, scales + 4, rowScales);
            Add(sums + 80, l5, h5, scales + 5, rowScales);
        }
    }

    /// <summary>A tile with a block of 4 tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void VnniFour<TWeights>(byte* w, byte* x, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += 160)
        {
            if (Sse.IsSupported)
            {
                // Few tokens wait for memory: ask for the lines some records ahead.
                for (int line = 0; line < TWeights.RecordBytes; line += 64)
                {
                    Sse.Prefetch0(w + PrefetchBytes + line);
                }
            }

            Vector256<int> l0 = Vector256.Create(*(int*)(x + 144)), h0 = l0;
            Vector256<int> l1 = Vector256.Create(*(int*)(x + 148)), h1 = l1;
            Vector256<int> l2 = Vector256.Create(*(int*)(x + 152)), h2 = l2;
            Vector256<int> l3 = Vector256.Create(*(int*)(x + 156)), h3 = l3;
            byte* pair = w;
            for (byte* v = x; v != x + 128; v += 32, pair += TWeights.PairBytes)
            {
                TWeights.Even(pair, out Vector256<byte> low, out Vector256<byte> high);
                var quad = Vector256.Create(*(int*)v).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                quad = Vector256.Create(*(int*)(v + 4)).AsSByte();
                l1 = AvxVnni.MultiplyWideningAndAdd(l1, low, quad);
                h1 = AvxVnni.MultiplyWideningAndAdd(h1, high, quad);
                quad = Vector256.Create(*(int*)(v + 8)).AsSByte();
                l2 = AvxVnni.MultiplyWideningAndAdd(l2, low, quad);
                h2 = AvxVnni.MultiplyWideningAndAdd(h2, high, quad);
                quad = Vector256.Create(*(int*)(v + 12)).AsSByte();
                l3 = AvxVnni.MultiplyWideningAndAdd(l3, low, quad);
                h3 = AvxVnni.MultiplyWideningAndAdd(h3, high, quad);
                TWeights.Odd(pair, out low, out high);
                quad = Vector256.Create(*(int*)(v + 16)).AsSByte();
                l0 = AvxVnni.MultiplyWideningAndAdd(l0, low, quad);
                h0 = AvxVnni.MultiplyWideningAndAdd(h0, high, quad);
                quad = Vector256.Create(*(int*)(v + 20)).AsSByte();
                l1 = AvxVnni.MultiplyWideningAndAdd(l1, low, quad);
                h1 = AvxVnni.MultiplyWideningAndAdd(h1, high, quad);
                quad = Vector256.Create(*(int*)(v + 24)).AsSByte();
                l2 = AvxVnni.MultiplyWideningAndAdd(l2, low, quad);
                h2 = AvxVnni.MultiplyWideningAndAdd(h2, high, quad);
                quad = Vector256.Create(*(int*)(v + 28)).AsSByte();
                l3 = AvxVnni.MultiplyWideningAndAdd(l3, low, quad);
                h3 = AvxVnni.MultiplyWideningAndAdd(h3, high, quad);
            }

            float* scales = (float*)(x + 128);
            Vector512<float> rowScales = WidenScales(w + TWeights.RecordBytes - ScaleBytes);
            Add(sums, l0, h0, scales, rowScales);
            Add(sums + 16, l1, h1, scales + 1, rowScales);
            Add(sums + 32, l2, h2, scales + 2, rowScales);
            Add(sums + 48, l3, h3, scales + 3, rowScales);
        }
    }
}
