using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Moves rows of heads between strided memory and the dense tiles that the attention kernels multiply.</summary>
internal static unsafe class AttentionTiles
{
    /// <summary>Keys of one tile. Tiles start at multiples of it, counted from position 0 of the sequence.</summary>
    public const int KeyTile = 64;

    /// <summary>
    /// Copies <paramref name="rows"/> rows of one head into a dense tile [rows, padded], widening bf16 and filling
    /// the columns from <paramref name="headDim"/> to <paramref name="padded"/> with zeros.
    /// </summary>
    public static void Load(nint source, DType type, long stride, int rows, int headDim, int padded, float* tile)
    {
        for (int r = 0; r < rows; r++, tile += padded)
        {
            if (type == DType.F32)
            {
                LoadScaled((float*)source + (r * stride), headDim, padded, 1f, tile);
            }
            else
            {
                LoadHalves((ushort*)source + (r * stride), headDim, padded, tile);
            }
        }
    }

    /// <summary>target[0..headDim) = factor·source, zeros up to <paramref name="padded"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadScaled(float* source, int headDim, int padded, float factor, float* target)
    {
        int e = 0;
        var factors = Vector512.Create(factor);
        for (; e + 16 <= headDim; e += 16)
        {
            (Vector512.Load(source + e) * factors).Store(target + e);
        }

        for (; e < headDim; e++)
        {
            target[e] = source[e] * factor;
        }

        for (; e < padded; e++)
        {
            target[e] = 0;
        }
    }

    /// <summary>target[0..headDim) = factor·source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void StoreScaled(float* source, int headDim, float factor, float* target)
    {
        int e = 0;
        var factors = Vector512.Create(factor);
        for (; e + 16 <= headDim; e += 16)
        {
            (Vector512.Load(source + e) * factors).Store(target + e);
        }

        for (; e < headDim; e++)
        {
            target[e] = source[e] * factor;
        }
    }

    /// <summary>
    /// Transposes the first <paramref name="columns"/> columns (a multiple of 16) of <paramref name="rows"/> rows into
    /// [columns, 64]. Lanes behind the last row repeat it up to a multiple of 16; the rest keeps what was there.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, long stride, int rows, int columns, float* target)
    {
        for (int r = 0; r < rows; r += 16)
        {
            for (int c = 0; c < columns; c += 16)
            {
                float* block = source + (r * stride) + c;
                float* destination = target + ((long)c * KeyTile) + r;
                if (Avx512F.IsSupported)
                {
                    TransposeBlock(block, stride, rows - r - 1, destination);
                    continue;
                }

                for (int k = 0; k < 16; k++)
                {
                    float* row = block + (Math.Min(k, rows - r - 1) * stride);
                    for (int e = 0; e < 16; e++)
                    {
                        destination[(e * KeyTile) + k] = row[e];
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LoadHalves(ushort* source, int headDim, int padded, float* target)
    {
        int e = 0;
        for (; e + 16 <= headDim; e += 16)
        {
            var (low, high) = Vector256.Widen(Vector256.Load(source + e));
            (low << 16).AsSingle().Store(target + e);
            (high << 16).AsSingle().Store(target + e + 8);
        }

        for (; e < headDim; e++)
        {
            target[e] = Bf16.Widen(source[e]);
        }

        for (; e < padded; e++)
        {
            target[e] = 0;
        }
    }

    /// <summary>One 16 x 16 block in registers: 4 x 4 blocks within 128-bit lanes first, then the lanes among each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeBlock(float* source, long stride, int last, float* target)
    {
        Quad(source, stride, 0, last, out var a0, out var a1, out var a2, out var a3);
        Quad(source, stride, 4, last, out var b0, out var b1, out var b2, out var b3);
        Quad(source, stride, 8, last, out var c0, out var c1, out var c2, out var c3);
        Quad(source, stride, 12, last, out var d0, out var d1, out var d2, out var d3);
        Lanes(a0, b0, c0, d0, target);
        Lanes(a1, b1, c1, d1, target + KeyTile);
        Lanes(a2, b2, c2, d2, target + (2 * KeyTile));
        Lanes(a3, b3, c3, d3, target + (3 * KeyTile));
    }

    /// <summary>Rows r..r+3 to four vectors: lane group L of vector c holds column 4L + c of the four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quad(
        float* source,
        long stride,
        int row,
        int last,
        out Vector512<float> column0,
        out Vector512<float> column1,
        out Vector512<float> column2,
        out Vector512<float> column3)
    {
        var r0 = Vector512.Load(source + (Math.Min(row, last) * stride));
        var r1 = Vector512.Load(source + (Math.Min(row + 1, last) * stride));
        var r2 = Vector512.Load(source + (Math.Min(row + 2, last) * stride));
        var r3 = Vector512.Load(source + (Math.Min(row + 3, last) * stride));
        var low01 = Avx512F.UnpackLow(r0, r1).AsDouble();
        var high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
        var low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
        var high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
        column0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        column1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        column2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        column3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    /// <summary>Gathers lane group L of the four vectors into the row of column 4L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Lanes(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* target)
    {
        var even01 = Avx512F.Shuffle4x128(a, b, 0x88);
        var odd01 = Avx512F.Shuffle4x128(a, b, 0xDD);
        var even23 = Avx512F.Shuffle4x128(c, d, 0x88);
        var odd23 = Avx512F.Shuffle4x128(c, d, 0xDD);
        Avx512F.Shuffle4x128(even01, even23, 0x88).Store(target);
        Avx512F.Shuffle4x128(odd01, odd23, 0x88).Store(target + (4 * KeyTile));
        Avx512F.Shuffle4x128(even01, even23, 0xDD).Store(target + (8 * KeyTile));
        Avx512F.Shuffle4x128(odd01, odd23, 0xDD).Store(target + (12 * KeyTile));
    }
}
