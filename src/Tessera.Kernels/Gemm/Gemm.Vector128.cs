using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>
/// The tiles of machines with four lanes a register: Arm, which multiplies and adds in one rounding, and x86 without AVX2, which does
/// not. An estimated multiply-add is fused wherever the machine can.
/// </content>
public static unsafe partial class Gemm
{
    /// <summary>
    /// C[4, 8]: 8 accumulators, two vectors of B, one broadcast and one product take 12 of 16 registers. Wider tiles would not
    /// help: the sums of one step wait 3 cycles for those of the step before and 8 of them take 4.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void Tile4x8(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
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

    /// <summary>
    /// C[2, 8] from two of the four lanes of a strip of A, where a multiply-add would round twice: in double a product of floats is
    /// exact. In floats a model of four layers was beyond its bound of 2e-5 by half.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2x8InDouble(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        Vector128<double> c00 = default, c01 = default, c02 = default, c03 = default;
        Vector128<double> c10 = default, c11 = default, c12 = default, c13 = default;
        for (int p = 0; p < depth; p++, a += 4, b += 8)
        {
            var left = Vector128.Load(b);
            var right = Vector128.Load(b + 4);
            Vector128<double> b0 = Vector128.WidenLower(left), b1 = Vector128.WidenUpper(left);
            Vector128<double> b2 = Vector128.WidenLower(right), b3 = Vector128.WidenUpper(right);
            var x = Vector128.Create((double)a[0]);
            c00 += x * b0;
            c01 += x * b1;
            c02 += x * b2;
            c03 += x * b3;
            x = Vector128.Create((double)a[1]);
            c10 += x * b0;
            c11 += x * b1;
            c12 += x * b2;
            c13 += x * b3;
        }

        StoreRow(c, accumulate, c00, c01, c02, c03);
        StoreRow(c + cStride, accumulate, c10, c11, c12, c13);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(
        float* row, bool accumulate, Vector128<double> first, Vector128<double> second, Vector128<double> third, Vector128<double> fourth)
    {
        if (accumulate)
        {
            var left = Vector128.Load(row);
            var right = Vector128.Load(row + 4);
            first += Vector128.WidenLower(left);
            second += Vector128.WidenUpper(left);
            third += Vector128.WidenLower(right);
            fourth += Vector128.WidenUpper(right);
        }

        Vector128.Narrow(first, second).Store(row);
        Vector128.Narrow(third, fourth).Store(row + 4);
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
