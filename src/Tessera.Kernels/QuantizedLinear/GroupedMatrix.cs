using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Matrices of <see cref="DType.Int8"/> and <see cref="DType.Int4"/>: the layout, and the ways in and out of it.</summary>
/// <remarks>
/// Tiles of 16 rows; in a tile one record per group of 32 columns, one behind the other. A record holds the integers in steps of
/// four columns, 16 rows × 4 columns a step, so that one dword of a token's integers meets a vector of rows:
/// int8 has 8 steps of 64 bytes, each q + 128; int4 has 4 times 64 bytes, the low nibbles one step and the high nibbles the next,
/// each q from 0 to 15. Behind them stand 16 binary16 scales. One layout serves one token and many, without packing for either;
/// a row of any checkpoint or GGUF file is stored on its own, wherever it lies in a matrix of several concatenated ones.
/// Columns behind the last stand for 0. Rows behind the last have scale 0 once <see cref="ClearLastTile"/> was called.
/// </remarks>
public static unsafe partial class GroupedMatrix
{
    private const int GroupSize = DTypes.GroupElements;
    private const int TileRows = DTypes.TileRows;
    private const int StepBytes = 4 * TileRows;

    /// <summary>What is added to an integer of int8 so that it is stored without sign.</summary>
    internal const int Int8Offset = 128;

    /// <summary>The value of int4 that stands for 0.</summary>
    internal const int Int4Offset = 8;

    /// <summary>Groups of a row.</summary>
    public static int Groups(int columns) => (int)(((long)columns + GroupSize - 1) / GroupSize);

    /// <summary>The largest magnitude that a group can hold: that of the integers times the largest binary16.</summary>
    public static float LargestMagnitude(DType type) => type == DType.Int8 ? 65504f * 127 : 65504f * 8;

    /// <summary>Gives the rows that pad the last tile scale 0; call it once before storing.</summary>
    public static void ClearLastTile(DeviceMemory memory, in MatrixView matrix)
    {
        CheckType(matrix);
        if (matrix.Rows % TileRows != 0)
        {
            long tileBytes = (long)Groups(matrix.Columns) * matrix.Type.TileGroupBytes();
            memory.Clear(matrix.Address + (nint)(matrix.Rows / TileRows * tileBytes), tileBytes);
        }
    }

    /// <summary>Rounds rows into the matrix.</summary>
    /// <remarks>
    /// int8: d = binary16(max |w| / 127), q = round(w / d). int4: d = binary16(−m / s) with m the element of largest magnitude
    /// and s, from 7 to 9, the one whose rounding has the least squared error; q = round(w / d) + 8 within 0 to 15.
    /// A group whose scale would be below half of binary16's smallest number is stored as zeros.
    /// Error on Gaussian rows, relative L2: int8 5.5e-3, int4 8.8e-2.
    /// Determinism: bitwise, on any number of threads, any instruction set, and a card.
    /// </remarks>
    /// <param name="device">Where to run; matrix and values lie in its memory.</param>
    /// <param name="matrix">The whole matrix.</param>
    /// <param name="firstRow">First row to store, any.</param>
    /// <param name="rows">Rows to store.</param>
    /// <param name="values">[rows, matrix.Columns], f32.</param>
    /// <param name="stride">Elements from one row of <paramref name="values"/> to the next.</param>
    /// <exception cref="InvalidDataException">A value is not finite or too large; the other rows are stored.</exception>
    public static void Store(Device device, in MatrixView matrix, int firstRow, int rows, float* values, long stride)
    {
        if (!TryStore(device, matrix, firstRow, rows, values, stride, out int row, out int column))
        {
            throw new InvalidDataException(Refusal(matrix.Type, firstRow + row, column));
        }
    }

    /// <summary>As <see cref="Store"/>; false where a value is not finite or too large.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="matrix">The whole matrix.</param>
    /// <param name="firstRow">First row to store, any.</param>
    /// <param name="rows">Rows to store.</param>
    /// <param name="values">[rows, matrix.Columns], f32.</param>
    /// <param name="stride">Elements from one row of <paramref name="values"/> to the next.</param>
    /// <param name="row">The first row of <paramref name="values"/> with such a value.</param>
    /// <param name="column">The first column of its group.</param>
    public static bool TryStore(
        Device device, in MatrixView matrix, int firstRow, int rows, float* values, long stride, out int row, out int column)
    {
        CheckRows(matrix, firstRow, rows);
        long bad = device is CudaDevice cuda
            ? StoreCuda(cuda, matrix, firstRow, rows, values, stride)
            : Run(device, &StoreRow, matrix, firstRow, rows, (byte*)values, stride * sizeof(float));
        (row, column) = bad == Transfer.Fine
            ? (0, 0)
            : ((int)(bad / Groups(matrix.Columns)) - firstRow, (int)(bad % Groups(matrix.Columns)) * GroupSize);
        return bad == Transfer.Fine;
    }

    /// <summary>The sentence about a value that a type cannot hold.</summary>
    public static string Refusal(DType type, int row, int column) =>
        $"row {row}, columns from {column}: a weight is not a number or above {LargestMagnitude(type):G3} in magnitude, which "
        + $"{type.Label()} cannot hold";

    /// <summary>The values of rows: d·q, exact in f32.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="matrix">The whole matrix.</param>
    /// <param name="firstRow">First row, any.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="values">[rows, matrix.Columns], assigned.</param>
    /// <param name="stride">Elements from one row of <paramref name="values"/> to the next.</param>
    public static void Load(Device device, in MatrixView matrix, int firstRow, int rows, float* values, long stride)
    {
        CheckRows(matrix, firstRow, rows);
        Run(device, &LoadRow, matrix, firstRow, rows, (byte*)values, stride * sizeof(float));
    }

    /// <summary>The values of one row, on the calling thread.</summary>
    internal static void LoadRow(in MatrixView matrix, int row, float* values) => LoadRow(matrix, row, (byte*)values);

    private static int LoadRow(in MatrixView matrix, int row, byte* target)
    {
        float* values = (float*)target;
        byte* integers = stackalloc byte[GroupSize];
        int offset = matrix.Type == DType.Int8 ? Int8Offset : Int4Offset, inTile = row % TileRows;
        byte* place = RowPlace(matrix, row);
        for (int i = 0; i < matrix.Columns; i += GroupSize, place += matrix.Type.TileGroupBytes())
        {
            float scale = (float)*Scale(matrix.Type, place, inTile);
            Gather(matrix.Type, place, integers);
            int count = Math.Min(GroupSize, matrix.Columns - i);
            if (count == GroupSize)
            {
                Vector256<short> low = Vector256.WidenLower(Vector256.Load(integers)).AsInt16() - Vector256.Create((short)offset);
                Vector256<short> high = Vector256.WidenUpper(Vector256.Load(integers)).AsInt16() - Vector256.Create((short)offset);
                (Widen(low) * Vector512.Create(scale)).Store(values + i);
                (Widen(high) * Vector512.Create(scale)).Store(values + i + 16);
                continue;
            }

            for (int j = 0; j < count; j++)
            {
                values[i + j] = (integers[j] - offset) * scale;
            }
        }

        return -1;
    }

    private static int StoreRow(in MatrixView matrix, int row, byte* source)
    {
        float* values = (float*)source;
        float limit = LargestMagnitude(matrix.Type);
        byte* place = RowPlace(matrix, row);
        int inTile = row % TileRows;
        for (int i = 0; i < matrix.Columns; i += GroupSize, place += matrix.Type.TileGroupBytes())
        {
            var group = RoundingGroup.Load(values + i, matrix.Columns - i);
            if (!(group.Magnitude <= limit))
            {
                return i / GroupSize;
            }

            if (matrix.Type == DType.Int8)
            {
                StoreInt8(group, place, inTile);
            }
            else
            {
                StoreInt4(group, place, inTile);
            }
        }

        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(Vector256<short> values) =>
        Vector512.ConvertToSingle(Vector512.Create(Vector256.WidenLower(values), Vector256.WidenUpper(values)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreInt8(in RoundingGroup group, byte* place, int inTile)
    {
        float magnitude = group.Magnitude;
        var scale = (Half)(magnitude / 127);
        if (magnitude > 127.5f * (float)scale && scale != Half.Zero)
        {
            // Among the smallest binary16 numbers the nearest can be far too small.
            scale = BitConverter.UInt16BitsToHalf((ushort)(BitConverter.HalfToUInt16Bits(scale) + 1));
        }

        var (low, high) = group.Round(scale == Half.Zero ? 0f : 1f / (float)scale);
        Scatter(DType.Int8, place, RoundingGroup.Bytes(low + Vector512.Create(Int8Offset), high + Vector512.Create(Int8Offset)));
        *Scale(DType.Int8, place, inTile) = scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreInt4(in RoundingGroup group, byte* place, int inTile)
    {
        // −8 can be reached and 8 cannot, so the element of largest magnitude is given the negative side. Whether it should be
        // at the very end, or be cut so that the others are told apart more finely, differs from group to group.
        float magnitude = group.Magnitude, largest = group.Contains(magnitude) ? magnitude : -magnitude;
        Vector512<int> bestLow = default, bestHigh = default;
        var best = Half.Zero;
        float leastError = float.PositiveInfinity;
        for (float steps = 9f; steps >= 7f; steps -= 0.25f)
        {
            var scale = (Half)(-largest / steps);
            if (!Half.IsFinite(scale))
            {
                break;
            }

            var (low, high) = group.Round(scale == Half.Zero ? 0f : 1f / (float)scale);
            low = Vector512.Max(Vector512.Min(low, Vector512.Create(Int4Offset - 1)), Vector512.Create(-Int4Offset));
            high = Vector512.Max(Vector512.Min(high, Vector512.Create(Int4Offset - 1)), Vector512.Create(-Int4Offset));
            float error = group.SquaredError(low, high, (float)scale);
            if (error < leastError)
            {
                (bestLow, bestHigh, best, leastError) = (low, high, scale, error);
            }
        }

        Scatter(DType.Int4, place, RoundingGroup.Bytes(bestLow + Vector512.Create(Int4Offset), bestHigh + Vector512.Create(Int4Offset)));
        *Scale(DType.Int4, place, inTile) = best;
    }

    /// <summary>The first step of a row's first group.</summary>
    private static byte* RowPlace(in MatrixView matrix, int row) =>
        (byte*)matrix.Address + ((long)(row / TileRows) * Groups(matrix.Columns) * matrix.Type.TileGroupBytes()) + (4 * (row % TileRows));

    /// <summary>The scale of the group whose first step is at <paramref name="place"/>.</summary>
    private static Half* Scale(DType type, byte* place, int inTile) =>
        (Half*)(place - (4 * inTile) + type.TileGroupBytes() - (2 * TileRows) + (2 * inTile));

    /// <summary>Writes a row's 32 integers, as stored, into its group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scatter(DType type, byte* place, Vector256<byte> integers)
    {
        if (type == DType.Int8)
        {
            RoundingGroup.Scatter(integers, (uint*)place, TileRows);
            return;
        }

        // Each two dwords become one: the second's nibbles above the first's.
        Vector256<ulong> pairs = integers.AsUInt64() | (integers.AsUInt64() >>> 28);
        for (int s = 0; s < 4; s++)
        {
            *(uint*)(place + (s * StepBytes)) = (uint)pairs.GetElement(s);
        }
    }

    /// <summary>Reads a row's 32 integers, as stored, from its group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Gather(DType type, byte* place, byte* integers)
    {
        if (type == DType.Int8)
        {
            for (int s = 0; s < 8; s++)
            {
                ((uint*)integers)[s] = *(uint*)(place + (s * StepBytes));
            }

            return;
        }

        for (int s = 0; s < 8; s += 2)
        {
            uint pair = *(uint*)(place + (s / 2 * StepBytes));
            ((uint*)integers)[s] = pair & 0x0F0F_0F0Fu;
            ((uint*)integers)[s + 1] = (pair >> 4) & 0x0F0F_0F0Fu;
        }
    }

    private static void CheckType(in MatrixView matrix)
    {
        if (!matrix.Type.IsGrouped())
        {
            throw new ArgumentException($"the matrix is {matrix.Type.Label()}; expected int8 or int4", nameof(matrix));
        }
    }

    private static void CheckRows(in MatrixView matrix, int firstRow, int rows)
    {
        CheckType(matrix);
        if (firstRow < 0 || rows < 0 || rows > matrix.Rows - firstRow)
        {
            throw new ArgumentException($"rows {firstRow} to {(long)firstRow + rows} of a matrix with {matrix.Rows} rows", nameof(firstRow));
        }
    }
}
