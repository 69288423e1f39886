using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    /// <summary>C tile by tile from packed strips: a strip of B stays near while the strips of A pass by.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyPanels(
        float* a, float* b, float* c, long cStride, int rows, int columns, int depth, bool accumulate)
    {
        float* scratch = stackalloc float[TileRows * TileColumns];
        for (int j = 0; j < columns; j += TileColumns, b += (long)depth * TileColumns)
        {
            float* strip = a;
            for (int i = 0; i < rows; i += TileRows, strip += (long)depth * TileRows)
            {
                float* tile = c + (i * cStride) + j;
                if (i + TileRows <= rows && j + TileColumns <= columns)
                {
                    MultiplyTile(strip, b, tile, cStride, depth, accumulate);
                }
                else
                {
                    int valid = Math.Min(TileRows, rows - i);
                    int inside = Math.Min(TileColumns, columns - j);
                    if (Vector512.IsHardwareAccelerated)
                    {
                        MultiplyPartialTile(strip, b, scratch, valid, depth);
                        MergeTile(scratch, tile, cStride, valid, inside, accumulate);
                        continue;
                    }

                    // These tiles round more than once on the way: the bits of a whole tile come only from where it starts.
                    if (accumulate)
                    {
                        CopyTile(tile, cStride, scratch, TileColumns, valid, inside);
                    }

                    MultiplyTile(strip, b, scratch, TileColumns, depth, accumulate);
                    CopyTile(scratch, TileColumns, tile, cStride, valid, inside);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyTile(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Tile12x32(a, b, c, cStride, depth, accumulate);
        }
        else if (HasFused256)
        {
            Tile4x24(a, b, c, cStride, depth, accumulate);
        }
        else if (HasFused128)
        {
            Tile4x8(a, b, c, cStride, depth, accumulate);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Tile2x8InDouble(a, b, c, cStride, depth, accumulate);
            Tile2x8InDouble(a + 2, b, c + (2 * cStride), cStride, depth, accumulate);
        }
        else
        {
            TileScalar(a, b, c, cStride, depth, accumulate);
        }
    }

    private static void CopyTile(float* source, long sourceStride, float* target, long targetStride, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            new ReadOnlySpan<float>(source + (i * sourceStride), columns).CopyTo(new Span<float>(target + (i * targetStride), columns));
        }
    }

    /// <summary>
    /// A tile of 512-bit vectors of which few rows are wanted: a batch of 25 tokens is two tiles of twelve rows and one of four.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyPartialTile(float* a, float* b, float* tile, int rows, int depth)
    {
        if (rows <= 4)
        {
            Tile4x32(a, b, tile, depth);
        }
        else if (rows <= 8)
        {
            Tile8x32(a, b, tile, depth);
        }
        else
        {
            MultiplyTile(a, b, tile, TileColumns, depth, false);
        }
    }

    /// <summary>Moves the valid part of a tile from scratch to C.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MergeTile(float* tile, float* c, long cStride, int rows, int columns, bool accumulate)
    {
        for (int i = 0; i < rows; i++, tile += TileColumns, c += cStride)
        {
            int j = 0;
            for (; j + 4 <= columns; j += 4)
            {
                Vector128<float> value = Vector128.Load(tile + j);
                (accumulate ? Vector128.Load(c + j) + value : value).Store(c + j);
            }

            for (; j < columns; j++)
            {
                c[j] = accumulate ? c[j] + tile[j] : tile[j];
            }
        }
    }

    /// <summary>The first four rows of a tile: eight accumulators, as many as the latency of a multiply-add asks for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x32(float* a, float* b, float* tile, int depth)
    {
        var c00 = Vector512<float>.Zero;
        var c01 = Vector512<float>.Zero;
        var c10 = Vector512<float>.Zero;
        var c11 = Vector512<float>.Zero;
        var c20 = Vector512<float>.Zero;
        var c21 = Vector512<float>.Zero;
        var c30 = Vector512<float>.Zero;
        var c31 = Vector512<float>.Zero;
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
            a += 12;
            b += 32;
        }

        StoreRow(tile, false, c00, c01);
        StoreRow(tile + 32, false, c10, c11);
        StoreRow(tile + 64, false, c20, c21);
        StoreRow(tile + 96, false, c30, c31);
    }

    /// <summary>The first eight rows of a tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile8x32(float* a, float* b, float* tile, int depth)
    {
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
            a += 12;
            b += 32;
        }

        StoreRow(tile, false, c00, c01);
        StoreRow(tile + 32, false, c10, c11);
        StoreRow(tile + 64, false, c20, c21);
        StoreRow(tile + 96, false, c30, c31);
        StoreRow(tile + 128, false, c40, c41);
        StoreRow(tile + 160, false, c50, c51);
        StoreRow(tile + 192, false, c60, c61);
        StoreRow(tile + 224, false, c70, c71);
    }
}
