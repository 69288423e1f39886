using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Moves rows of heads between strided memory and the dense tiles that the attention kernels multiply.</summary>
internal static unsafe class AttentionTiles
{
    /// <summary>Keys of one tile. Tiles start at multiples of it, counted from position 0 of the sequence.</summary>
    public const int KeyTile = AttentionSegment.PagePositions;

    /// <summary>
    /// Copies <paramref name="rows"/> rows of one head into a dense tile [rows, padded], widening bf16 and filling
    /// the columns from <paramref name="headDim"/> to <paramref name="padded"/> with zeros.
    /// </summary>
    public static void Load(nint source, DType type, long stride, int rows, int headDim, int padded, float* tile)
    {
        if (type == DType.F32)
        {
            LoadHeads((float*)source, stride, rows, 1, headDim, padded, 1f, tile);
        }
        else
        {
            LoadHalves((ushort*)source, stride, rows, headDim, padded, tile);
        }
    }

    /// <summary>
    /// tile[token·group + head, e] = factor·source[token, head, e], with zeros from <paramref name="headDim"/> to
    /// <paramref name="padded"/>; heads lie next to each other in a source row.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadHeads(
        float* source, long stride, int tokens, int group, int headDim, int padded, float factor, float* tile)
    {
        var factors = Vector512.Create(factor);
        for (int t = 0; t < tokens; t++, source += stride)
        {
            float* head = source;
            for (int g = 0; g < group; g++, head += headDim, tile += padded)
            {
                int e = 0;
                for (; e + 16 <= headDim; e += 16)
                {
                    (Vector512.Load(head + e) * factors).Store(tile + e);
                }

                for (; e < padded; e++)
                {
                    tile[e] = e < headDim ? head[e] * factor : 0f;
                }
            }
        }
    }

    /// <summary>
    /// target[token, head, e] = factors[token·group + head]·tile[token·group + head, e]; with a
    /// <paramref name="factorStep"/> of 0 one factor serves all rows.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void StoreHeads(
        float* tile, int padded, int tokens, int group, int headDim, float* factors, int factorStep, float* target, long stride)
    {
        for (int t = 0; t < tokens; t++, target += stride)
        {
            float* head = target;
            for (int g = 0; g < group; g++, head += headDim, tile += padded, factors += factorStep)
            {
                var factor = Vector512.Create(*factors);
                int e = 0;
                for (; e + 16 <= headDim; e += 16)
                {
                    (Vector512.Load(tile + e) * factor).Store(head + e);
                }

                for (; e < headDim; e++)
                {
                    head[e] = tile[e] * *factors;
                }
            }
        }
    }

    /// <summary>
    /// Transposes the first <paramref name="columns"/> columns (a multiple of 16) of <paramref name="rows"/> rows, f32 or bf16,
    /// into f32 [columns, 64]. Lanes behind the last row repeat it up to a multiple of 16; the rest keeps what was there.
    /// </summary>
    public static void Transpose(nint source, DType type, long stride, int rows, int columns, float* target)
    {
        if (type == DType.F32)
        {
            Transpose<FloatRow>((byte*)source, stride * sizeof(float), rows, columns, target);
        }
        else
        {
            Transpose<HalfRow>((byte*)source, stride * sizeof(ushort), rows, columns, target);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose<TRow>(byte* source, long strideBytes, int rows, int columns, float* target)
        where TRow : struct, IRow
    {
        for (int r = 0; r < rows; r += 16)
        {
            for (int c = 0; c < columns; c += 16)
            {
                byte* block = source + (r * strideBytes) + (c * TRow.ElementBytes);
                float* destination = target + ((long)c * KeyTile) + r;
                if (Avx512F.IsSupported)
                {
                    TransposeBlock<TRow>(block, strideBytes, rows - r - 1, destination);
                    continue;
                }

                for (int k = 0; k < 16; k++)
                {
                    byte* row = block + (Math.Min(k, rows - r - 1) * strideBytes);
                    for (int e = 0; e < 16; e++)
                    {
                        destination[(e * KeyTile) + k] = TRow.ReadOne(row + (e * TRow.ElementBytes));
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LoadHalves(ushort* source, long stride, int rows, int headDim, int padded, float* tile)
    {
        for (int r = 0; r < rows; r++, source += stride, tile += padded)
        {
            int e = 0;
            for (; e + 16 <= headDim; e += 16)
            {
                HalfRow.Read((byte*)(source + e)).Store(tile + e);
            }

            for (; e < padded; e++)
            {
                tile[e] = e < headDim ? Bf16.Widen(source[e]) : 0f;
            }
        }
    }

    /// <summary>One 16 x 16 block in registers: 4 x 4 blocks within 128-bit lanes first, then the lanes among each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeBlock<TRow>(byte* source, long stride, int last, float* target)
        where TRow : struct, IRow
    {
        Quad<TRow>(source, stride, 0, last, out var a0, out var a1, out var a2, out var a3);
        Quad<TRow>(source, stride, 4, last, out var b0, out var b1, out var b2, out var b3);
        Quad<TRow>(source, stride, 8, last, out var c0, out var c1, out var c2, out var c3);
        Quad<TRow>(source, stride, 12, last, out var d0, out var d1, out var d2, out var d3);
        Lanes(a0, b0, c0, d0, target);
        Lanes(a1, b1, c1, d1, target + KeyTile);
        Lanes(a2, b2, c2, d2, target + (2 * KeyTile));
        Lanes(a3, b3, c3, d3, target + (3 * KeyTile));
    }

    /// <summary>Rows r..r+3 to four vectors: lane group L of vector c holds column 4L + c of the four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quad<TRow>(
        byte* source,
        long stride,
        int row,
        int last,
        out Vector512<float> column0,
        out Vector512<float> column1,
        out Vector512<float> column2,
        out Vector512<float> column3)
        where TRow : struct, IRow
    {
        var r0 = TRow.Read(source + (Math.Min(row, last) * stride));
        var r1 = TRow.Read(source + (Math.Min(row + 1, last) * stride));
        var r2 = TRow.Read(source + (Math.Min(row + 2, last) * stride));
        var r3 = TRow.Read(source + (Math.Min(row + 3, last) * stride));
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

    /// <summary>How sixteen elements of a stored row become f32 lanes.</summary>
    private interface IRow
    {
        static abstract int ElementBytes { get; }

        static abstract Vector512<float> Read(byte* address);

        static abstract float ReadOne(byte* address);
    }

    private readonly struct FloatRow : IRow
    {
        public static int ElementBytes => sizeof(float);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Read(byte* address) => Vector512.Load((float*)address);

        public static float ReadOne(byte* address) => *(float*)address;
    }

    private readonly struct HalfRow : IRow
    {
        public static int ElementBytes => sizeof(ushort);

        public static float ReadOne(byte* address) => Bf16.Widen(*(ushort*)address);

        /// <summary>A bf16 pattern is the upper half of its f32.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Read(byte* address)
        {
            var halves = Vector256.Load((ushort*)address);
            if (Avx512F.IsSupported)
            {
                return (Avx512F.ConvertToVector512UInt32(halves) << 16).AsSingle();
            }

            var (low, high) = Vector256.Widen(halves);
            return (Vector512.Create(low, high) << 16).AsSingle();
        }
    }
}
