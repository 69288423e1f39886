using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    /// <summary>Lanes of a packed strip of A.</summary>
    private static int TileRows => Vector512.IsHardwareAccelerated ? 12 : 4;

    /// <summary>Lanes of a packed strip of B.</summary>
    private static int TileColumns => Vector512.IsHardwareAccelerated ? 32 : Vector128.IsHardwareAccelerated && !HasFused256 ? 8 : 24;

    private static bool HasFused256 => Vector256.IsHardwareAccelerated && Fma.IsSupported;

    private static bool HasFused128 => Vector128.IsHardwareAccelerated && (Fma.IsSupported || AdvSimd.IsSupported);

    // Products of a chain of the tile for 256-bit vectors.
    private const int ChainLength = 64;

    /// <summary>C[12, 32] from strips of A [depth, 12] and B [depth, 32]: 24 accumulators, two vectors of B and one broadcast.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile12x32(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        if (Sse.IsSupported)
        {
            // C is touched once a pass and is not near; its rows arrive while the loop runs.
            float* line = c;
            for (int i = 0; i < 12; i++, line += cStride)
            {
                Sse.Prefetch0(line);
                Sse.Prefetch0(line + 16);
                Sse.Prefetch0(line + 31);
            }
        }

        var c00 = Vector512<float>.Zero;
        var c01 = Vector512<float>.Zero;
        var c10 = Vector512<float>.Zero;
        var c11 = Vector512<float>.Zero;
        var c20 = Vector512<float>.Zero;
        var c21 = Vector512<float>.Zero;
        var c30 = Vector512<float>.Zero;
        var c31 = Vector512<float>.Zero;
        var c40 = Vector512<float>.Zero;
        var c41 = Vector512<float>.Zero;
        var c50 = Vector512<float>.Zero;
        var c51 = Vector512<float>.Zero;
        var c60 = Vector512<float>.Zero;
        var c61 = Vector512<float>.Zero;
        var c70 = Vector512<float>.Zero;
        var c71 = Vector512<float>.Zero;
        var c80 = Vector512<float>.Zero;
        var c81 = Vector512<float>.Zero;
        var c90 = Vector512<float>.Zero;
        var c91 = Vector512<float>.Zero;
        var cA0 = Vector512<float>.Zero;
        var cA1 = Vector512<float>.Zero;
        var cB0 = Vector512<float>.Zero;
        var cB1 = Vector512<float>.Zero;
        for (int p = 0; p < depth; p++)
        {
            var b0 = Vector512.Load(b);
            var b1 = Vector512.Load(b + 16);
            var x = Vector512.Create(a[0]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a[1]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            x = Vector512.Create(a[2]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            x = Vector512.Create(a[3]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            x = Vector512.Create(a[4]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            x = Vector512.Create(a[5]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
            x = Vector512.Create(a[6]);
            c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
            c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
            x = Vector512.Create(a[7]);
            c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
            c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
            x = Vector512.Create(a[8]);
            c80 = Vector512.FusedMultiplyAdd(x, b0, c80);
            c81 = Vector512.FusedMultiplyAdd(x, b1, c81);
            x = Vector512.Create(a[9]);
            c90 = Vector512.FusedMultiplyAdd(x, b0, c90);
            c91 = Vector512.FusedMultiplyAdd(x, b1, c91);
            x = Vector512.Create(a[10]);
            cA0 = Vector512.FusedMultiplyAdd(x, b0, cA0);
            cA1 = Vector512.FusedMultiplyAdd(x, b1, cA1);
            x = Vector512.Create(a[11]);
            cB0 = Vector512.FusedMultiplyAdd(x, b0, cB0);
            cB1 = Vector512.FusedMultiplyAdd(x, b1, cB1);
            a += 12;
            b += 32;
        }

        StoreRow(c, accumulate, c00, c01);
        StoreRow(c + cStride, accumulate, c10, c11);
        StoreRow(c + (2 * cStride), accumulate, c20, c21);
        StoreRow(c + (3 * cStride), accumulate, c30, c31);
        StoreRow(c + (4 * cStride), accumulate, c40, c41);
        StoreRow(c + (5 * cStride), accumulate, c50, c51);
        StoreRow(c + (6 * cStride), accumulate, c60, c61);
        StoreRow(c + (7 * cStride), accumulate, c70, c71);
        StoreRow(c + (8 * cStride), accumulate, c80, c81);
        StoreRow(c + (9 * cStride), accumulate, c90, c91);
        StoreRow(c + (10 * cStride), accumulate, cA0, cA1);
        StoreRow(c + (11 * cStride), accumulate, cB0, cB1);
    }

    /// <summary>
    /// C[4, 24] with 256-bit vectors, chain after chain of products: a chain rounds to the last place of all that it has added up.
    /// With one chain a pass a model of four layers was just beyond its bound of 2e-5.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x24(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        if (Sse.IsSupported)
        {
            // C is touched once a pass and is not near; its rows arrive while the loop runs.
            float* line = c;
            for (int i = 0; i < 4; i++, line += cStride)
            {
                Sse.Prefetch0(line);
                Sse.Prefetch0(line + 16);
                Sse.Prefetch0(line + 23);
            }
        }

        for (int first = 0; first < depth; first += ChainLength)
        {
            Chain4x24(a + (4L * first), b + (24L * first), c, cStride, Math.Min(ChainLength, depth - first), accumulate || first > 0);
        }
    }

    /// <summary>C[4, 24] of a few products: 12 accumulators, three vectors of B and one broadcast fill the 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Chain4x24(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        var c00 = Vector256<float>.Zero;
        var c01 = Vector256<float>.Zero;
        var c02 = Vector256<float>.Zero;
        var c10 = Vector256<float>.Zero;
        var c11 = Vector256<float>.Zero;
        var c12 = Vector256<float>.Zero;
        var c20 = Vector256<float>.Zero;
        var c21 = Vector256<float>.Zero;
        var c22 = Vector256<float>.Zero;
        var c30 = Vector256<float>.Zero;
        var c31 = Vector256<float>.Zero;
        var c32 = Vector256<float>.Zero;
        for (int p = 0; p < depth; p++)
        {
            var b0 = Vector256.Load(b);
            var b1 = Vector256.Load(b + 8);
            var b2 = Vector256.Load(b + 16);
            var x = Vector256.Create(a[0]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector256.FusedMultiplyAdd(x, b2, c02);
            x = Vector256.Create(a[1]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector256.FusedMultiplyAdd(x, b2, c12);
            x = Vector256.Create(a[2]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector256.FusedMultiplyAdd(x, b2, c22);
            x = Vector256.Create(a[3]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector256.FusedMultiplyAdd(x, b2, c32);
            a += 4;
            b += 24;
        }

        StoreRow(c, accumulate, c00, c01, c02);
        StoreRow(c + cStride, accumulate, c10, c11, c12);
        StoreRow(c + (2 * cStride), accumulate, c20, c21, c22);
        StoreRow(c + (3 * cStride), accumulate, c30, c31, c32);
    }

    /// <summary>
    /// The tile of <see cref="Tile4x24"/> without vectors, in double: a product of floats is exact there, and what needs no vectors
    /// needs no speed either.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void TileScalar(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        for (int j = 0; j < 24; j++)
        {
            double c0 = 0, c1 = 0, c2 = 0, c3 = 0;
            for (int p = 0; p < depth; p++)
            {
                double y = b[(p * 24) + j];
                c0 += a[p * 4] * y;
                c1 += a[(p * 4) + 1] * y;
                c2 += a[(p * 4) + 2] * y;
                c3 += a[(p * 4) + 3] * y;
            }

            float* to = c + j;
            to[0] = (float)(accumulate ? to[0] + c0 : c0);
            to[cStride] = (float)(accumulate ? to[cStride] + c1 : c1);
            to[2 * cStride] = (float)(accumulate ? to[2 * cStride] + c2 : c2);
            to[3 * cStride] = (float)(accumulate ? to[3 * cStride] + c3 : c3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* row, bool accumulate, Vector512<float> left, Vector512<float> right)
    {
        if (accumulate)
        {
            left = Vector512.Load(row) + left;
            right = Vector512.Load(row + 16) + right;
        }

        left.Store(row);
        right.Store(row + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* row, bool accumulate, Vector256<float> left, Vector256<float> middle, Vector256<float> right)
    {
        if (accumulate)
        {
            left = Vector256.Load(row) + left;
            middle = Vector256.Load(row + 8) + middle;
            right = Vector256.Load(row + 16) + right;
        }

        left.Store(row);
        middle.Store(row + 8);
        right.Store(row + 16);
    }
}
