using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>Dot products with four lanes a register: Arm, and x86 without AVX2. Fused where the machine multiplies and adds at once.</content>
public static unsafe partial class Linear
{
    // Two accumulators a row, whatever number of rows a kernel handles at once, so that the sums of one row do not wait for
    // each other; the tree at the end is the same for all.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(Vector128<float> a)
    {
        a += Vector128.Shuffle(a, Vector128.Create(2, 3, 0, 1));
        return a[0] + a[1];
    }

    /// <summary>Four rows of an f32 weight with one token, 4 lanes: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x128T1R4(float* w, long wStride, float* x, int length, float* sums)
    {
        float* w1 = w + wStride;
        float* w2 = w + (2 * wStride);
        float* w3 = w + (3 * wStride);
        Vector128<float> e0 = default, o0 = default;
        Vector128<float> e1 = default, o1 = default;
        Vector128<float> e2 = default, o2 = default;
        Vector128<float> e3 = default, o3 = default;
        int i = 0;
        for (; i + 8 <= length; i += 8)
        {
            var low = Vector128.Load(x + i);
            var high = Vector128.Load(x + i + 4);
            e0 = Vector128.MultiplyAddEstimate(Vector128.Load(w + i), low, e0);
            o0 = Vector128.MultiplyAddEstimate(Vector128.Load(w + i + 4), high, o0);
            e1 = Vector128.MultiplyAddEstimate(Vector128.Load(w1 + i), low, e1);
            o1 = Vector128.MultiplyAddEstimate(Vector128.Load(w1 + i + 4), high, o1);
            e2 = Vector128.MultiplyAddEstimate(Vector128.Load(w2 + i), low, e2);
            o2 = Vector128.MultiplyAddEstimate(Vector128.Load(w2 + i + 4), high, o2);
            e3 = Vector128.MultiplyAddEstimate(Vector128.Load(w3 + i), low, e3);
            o3 = Vector128.MultiplyAddEstimate(Vector128.Load(w3 + i + 4), high, o3);
        }

        if (i < length)
        {
            var last = Vector128.Load(x + i);
            e0 = Vector128.MultiplyAddEstimate(Vector128.Load(w + i), last, e0);
            e1 = Vector128.MultiplyAddEstimate(Vector128.Load(w1 + i), last, e1);
            e2 = Vector128.MultiplyAddEstimate(Vector128.Load(w2 + i), last, e2);
            e3 = Vector128.MultiplyAddEstimate(Vector128.Load(w3 + i), last, e3);
        }

        sums[0] = Sum(e0 + o0);
        sums[1] = Sum(e1 + o1);
        sums[2] = Sum(e2 + o2);
        sums[3] = Sum(e3 + o3);
    }

    /// <summary>One row of an f32 weight with one token, 4 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotF32x128T1R1(float* w, float* x, int length, float* sums)
    {
        Vector128<float> e0 = default, o0 = default;
        int i = 0;
        for (; i + 8 <= length; i += 8)
        {
            var low = Vector128.Load(x + i);
            var high = Vector128.Load(x + i + 4);
            e0 = Vector128.MultiplyAddEstimate(Vector128.Load(w + i), low, e0);
            o0 = Vector128.MultiplyAddEstimate(Vector128.Load(w + i + 4), high, o0);
        }

        if (i < length)
        {
            var last = Vector128.Load(x + i);
            e0 = Vector128.MultiplyAddEstimate(Vector128.Load(w + i), last, e0);
        }

        sums[0] = Sum(e0 + o0);
    }

    /// <summary>Four rows of a bf16 weight with one split token, 4 lanes: sums[row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x128T1R4(ushort* w, long wStride, float* x, int length, float* sums)
    {
        ushort* w1 = w + wStride;
        ushort* w2 = w + (2 * wStride);
        ushort* w3 = w + (3 * wStride);
        Vector128<float> e0 = default, o0 = default;
        Vector128<float> e1 = default, o1 = default;
        Vector128<float> e2 = default, o2 = default;
        Vector128<float> e3 = default, o3 = default;
        var upper = Vector128.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 8)
        {
            var even = Vector128.Load(x + i);
            var odd = Vector128.Load(x + i + 4);
            var pairs = Vector128.Load(w + i).AsUInt32();
            e0 = Vector128.MultiplyAddEstimate((pairs << 16).AsSingle(), even, e0);
            o0 = Vector128.MultiplyAddEstimate((pairs & upper).AsSingle(), odd, o0);
            pairs = Vector128.Load(w1 + i).AsUInt32();
            e1 = Vector128.MultiplyAddEstimate((pairs << 16).AsSingle(), even, e1);
            o1 = Vector128.MultiplyAddEstimate((pairs & upper).AsSingle(), odd, o1);
            pairs = Vector128.Load(w2 + i).AsUInt32();
            e2 = Vector128.MultiplyAddEstimate((pairs << 16).AsSingle(), even, e2);
            o2 = Vector128.MultiplyAddEstimate((pairs & upper).AsSingle(), odd, o2);
            pairs = Vector128.Load(w3 + i).AsUInt32();
            e3 = Vector128.MultiplyAddEstimate((pairs << 16).AsSingle(), even, e3);
            o3 = Vector128.MultiplyAddEstimate((pairs & upper).AsSingle(), odd, o3);
        }

        sums[0] = Sum(e0 + o0);
        sums[1] = Sum(e1 + o1);
        sums[2] = Sum(e2 + o2);
        sums[3] = Sum(e3 + o3);
    }

    /// <summary>One row of a bf16 weight with one split token, 4 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void DotBf16x128T1R1(ushort* w, float* x, int length, float* sums)
    {
        Vector128<float> e0 = default, o0 = default;
        var upper = Vector128.Create(0xFFFF_0000u);
        for (int i = 0; i < length; i += 8)
        {
            var even = Vector128.Load(x + i);
            var odd = Vector128.Load(x + i + 4);
            var pairs = Vector128.Load(w + i).AsUInt32();
            e0 = Vector128.MultiplyAddEstimate((pairs << 16).AsSingle(), even, e0);
            o0 = Vector128.MultiplyAddEstimate((pairs & upper).AsSingle(), odd, o0);
        }

        sums[0] = Sum(e0 + o0);
    }
}
