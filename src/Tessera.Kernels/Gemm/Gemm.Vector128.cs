using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>
/// The tile of machines with four lanes a register: Arm, and x86 without AVX2. An estimated multiply-add is a fused one where the
/// machine has it and a product and a sum where not, the same choice in every kernel of a process.
/// </content>
public static unsafe partial class Gemm
{
    /// <summary>
    /// C[4, 8]: 8 accumulators, two vectors of B, one broadcast and one product take 12 of 16 registers. Wider tiles would not
    /// help: the sums of one step wait 3 cycles for those of the step before and 8 of them take 4.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x8(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        Vector128<float> c00 = default, c01 = default;
        Vector128<float> c10 = default, c11 = default;
        Vector128<float> c20 = default, c21 = default;
        Vector128<float> c30 = default, c31 = default;
        for (int p = 0; p < depth; p++)
        {
            var b0 = Vector128.Load(b);
            var b1 = Vector128.Load(b + 4);
            var x = Vector128.Create(a[0]);
            c00 = Vector128.MultiplyAddEstimate(x, b0, c00);
            c01 = Vector128.MultiplyAddEstimate(x, b1, c01);
            x = Vector128.Create(a[1]);
            c10 = Vector128.MultiplyAddEstimate(x, b0, c10);
            c11 = Vector128.MultiplyAddEstimate(x, b1, c11);
            x = Vector128.Create(a[2]);
            c20 = Vector128.MultiplyAddEstimate(x, b0, c20);
            c21 = Vector128.MultiplyAddEstimate(x, b1, c21);
            x = Vector128.Create(a[3]);
            c30 = Vector128.MultiplyAddEstimate(x, b0, c30);
            c31 = Vector128.MultiplyAddEstimate(x, b1, c31);
            a += 4;
            b += 8;
        }

        StoreRow(c, accumulate, c00, c01);
        StoreRow(c + cStride, accumulate, c10, c11);
        StoreRow(c + (2 * cStride), accumulate, c20, c21);
        StoreRow(c + (3 * cStride), accumulate, c30, c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* row, bool accumulate, Vector128<float> left, Vector128<float> right)
    {
        if (accumulate)
        {
            left = Vector128.Load(row) + left;
            right = Vector128.Load(row + 4) + right;
        }

        left.Store(row);
        right.Store(row + 4);
    }
}
