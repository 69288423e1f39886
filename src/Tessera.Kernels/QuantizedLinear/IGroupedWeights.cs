using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>How a record of a tile, as <see cref="GroupedMatrix"/> lays it out, is unpacked in registers; one kernel serves all formats.</summary>
internal unsafe interface IGroupedWeights
{
    /// <summary>Bytes of a record.</summary>
    static abstract int RecordBytes { get; }

    /// <summary>Bytes of two steps.</summary>
    static abstract int PairBytes { get; }

    /// <summary>The first of two steps: four columns of 16 rows, two vectors of 8 rows.</summary>
    static abstract void Even(byte* pair, out Vector256<byte> low, out Vector256<byte> high);

    /// <summary>The second of two steps.</summary>
    static abstract void Odd(byte* pair, out Vector256<byte> low, out Vector256<byte> high);

    /// <summary>Four columns of 4 rows: step 0 to 7, rows 4·<paramref name="quarter"/> on.</summary>
    static abstract Vector128<byte> Quarter(byte* record, int step, int quarter);

    /// <summary>One integer.</summary>
    static abstract int Integer(byte* record, int row, int column);
}

/// <summary><see cref="DType.Int8"/>.</summary>
internal readonly unsafe struct Int8Weights : IGroupedWeights
{
    public static int RecordBytes => 16 * 34;

    public static int PairBytes => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, out Vector256<byte> low, out Vector256<byte> high)
    {
        low = Vector256.Load(pair);
        high = Vector256.Load(pair + 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, out Vector256<byte> low, out Vector256<byte> high)
    {
        low = Vector256.Load(pair + 64);
        high = Vector256.Load(pair + 96);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Quarter(byte* record, int step, int quarter) => Vector128.Load(record + (step * 64) + (quarter * 16));

    public static int Integer(byte* record, int row, int column) => record[(column / 4 * 64) + (4 * row) + (column % 4)];
}

/// <summary><see cref="DType.Int4"/>.</summary>
internal readonly unsafe struct Int4Weights : IGroupedWeights
{
    public static int RecordBytes => 16 * 18;

    public static int PairBytes => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, out Vector256<byte> low, out Vector256<byte> high)
    {
        var nibble = Vector256.Create((byte)15);
        low = Vector256.Load(pair) & nibble;
        high = Vector256.Load(pair + 32) & nibble;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, out Vector256<byte> low, out Vector256<byte> high)
    {
        // Shifted as words: the bits that cross from byte to byte are masked away.
        var nibble = Vector256.Create((byte)15);
        low = (Vector256.Load(pair).AsUInt16() >>> 4).AsByte() & nibble;
        high = (Vector256.Load(pair + 32).AsUInt16() >>> 4).AsByte() & nibble;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Quarter(byte* record, int step, int quarter)
    {
        Vector128<byte> pairs = Vector128.Load(record + (step / 2 * 64) + (quarter * 16));
        return (step % 2 == 0 ? pairs : (pairs.AsUInt16() >>> 4).AsByte()) & Vector128.Create((byte)15);
    }

    public static int Integer(byte* record, int row, int column)
    {
        int pair = record[(column / 8 * 64) + (4 * row) + (column % 4)];
        return column % 8 < 4 ? pair & 15 : pair >> 4;
    }
}
