using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Matrices of <see cref="DType.FP8"/>: the layout, and the ways in and out of it.</summary>
/// <remarks>
/// Rows of E4M3 bytes, each padded with zeros to whole packs of 16 bytes, and behind all rows one f32 scale for each: w = d·q. That is
/// what cuBLASLt takes as it lies, and what a kernel for few tokens streams in its widest loads. A row is rounded on its own, so those
/// of several stored matrices can stand in one.
/// </remarks>
public static unsafe partial class Fp8Matrix
{
    // binary32's smallest normal number: below, a scale has fewer digits than its row.
    private const float SmallestScale = 1.17549435e-38f;

    /// <summary>Rows [start, start + rows) as a matrix of their own.</summary>
    public static MatrixView RowsView(in MatrixView matrix, int start, int rows)
    {
        CheckRows(matrix, start, rows);
        return matrix with
        {
            Address = matrix.Address + (nint)(start * matrix.Stride),
            Rows = rows,
            ScaleOffset = matrix.ScaleOffset - (start * (matrix.Stride - sizeof(float))),
        };
    }

    /// <summary>Rounds rows into the matrix.</summary>
    /// <remarks>
    /// d = max |w| / 448, and 1 where that is not a normal number: of a row of zeros, of one below 5e-36, which becomes zeros, and of one
    /// that holds an infinity or NaN. q = E4M3(w / d), ties to even; what is beyond 448, infinities too, becomes 448, NaN stays.
    /// Error on Gaussian rows, relative L2: 2.65e-2.
    /// Determinism: bitwise; the processor and a card store the same bits. A card's kernels are the fast way, the processor's is the
    /// reference, weight by weight.
    /// </remarks>
    /// <param name="device">Where to run; matrix and values lie in its memory.</param>
    /// <param name="matrix">The whole matrix.</param>
    /// <param name="firstRow">First row to store, any.</param>
    /// <param name="rows">Rows to store.</param>
    /// <param name="values">[rows, matrix.Columns], f32 or, on a card, bf16.</param>
    /// <param name="stride">Elements from one row of <paramref name="values"/> to the next.</param>
    public static void Store(Device device, in MatrixView matrix, int firstRow, int rows, Elements values, long stride)
    {
        MatrixView target = RowsView(matrix, firstRow, rows);
        if (device is CudaDevice cuda)
        {
            StoreCuda(cuda, target, values, stride);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        for (int row = 0; row < rows; row++)
        {
            StoreRow(target, row, new ReadOnlySpan<float>(values.Floats + (row * stride), matrix.Columns));
        }
    }

    /// <summary>The values of rows, d·q rounded to f32, on the processor.</summary>
    /// <param name="device">The processor; the matrix and <paramref name="values"/> lie in its memory.</param>
    /// <param name="matrix">The whole matrix.</param>
    /// <param name="firstRow">First row, any.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="values">[rows, matrix.Columns], assigned.</param>
    /// <param name="stride">Elements from one row of <paramref name="values"/> to the next.</param>
    public static void Load(Device device, in MatrixView matrix, int firstRow, int rows, float* values, long stride)
    {
        MatrixView source = RowsView(matrix, firstRow, rows);
        using var scope = CpuDevice.Enter(device);
        for (int row = 0; row < rows; row++)
        {
            byte* bytes = (byte*)source.Address + (row * source.Stride);
            float scale = ((float*)source.Scales)[row];
            for (int i = 0; i < matrix.Columns; i++)
            {
                values[(row * stride) + i] = Fp8.Widen(bytes[i]) * scale;
            }
        }
    }

    internal static void CheckRows(in MatrixView matrix, int firstRow, int rows)
    {
        if (matrix.Type != DType.FP8)
        {
            throw new ArgumentException($"the matrix is {matrix.Type.Label()}; expected fp8", nameof(matrix));
        }

        if (firstRow < 0 || rows < 0 || firstRow > matrix.Rows - rows)
        {
            throw new ArgumentException(
                $"rows {firstRow} to {(long)firstRow + rows} of an fp8 matrix with {matrix.Rows} rows", nameof(firstRow));
        }
    }

    private static void StoreRow(in MatrixView target, int row, ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
        {
            // NaN above all, as a card orders magnitudes by their bits.
            largest = float.IsNaN(value) || float.IsNaN(largest) ? float.NaN : Math.Max(largest, Math.Abs(value));
        }

        float scale = largest / Fp8.Largest;
        if (!float.IsFinite(scale) || scale < SmallestScale)
        {
            scale = 1;
        }

        ((float*)target.Scales)[row] = scale;
        var bytes = new Span<byte>((byte*)target.Address + (row * target.Stride), (int)target.Stride);
        bytes[values.Length..].Clear();
        for (int i = 0; i < values.Length; i++)
        {
            bytes[i] = Fp8.Round(values[i] / scale);
        }
    }
}
