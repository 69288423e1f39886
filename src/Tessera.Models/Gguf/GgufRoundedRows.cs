using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;

namespace Tessera.Models.Gguf;

/// <summary>
/// Matrices of a file into int8, int4 or fp8 in memory: Q8_0 into int8 and Q4_0 into int4 without loss, block by block; other types
/// are rounded, in portions.
/// </summary>
internal static unsafe class GgufRoundedRows
{
    /// <summary>Fills the rows of a slice.</summary>
    /// <param name="device">Where to convert.</param>
    /// <param name="rounding">Where to round; see <see cref="RoundedRows.Fill"/>.</param>
    /// <param name="file">The file.</param>
    /// <param name="slice">The rows.</param>
    /// <param name="tensor">Where they come from.</param>
    /// <param name="reordered">Elements of a head whose rows lie as neighbours, see <see cref="RotaryPairs"/>; 1 where rows lie as they are needed.</param>
    /// <exception cref="InvalidDataException">A weight or a scale is not a finite number; the message names file and tensor.</exception>
    public static void Fill(Device device, Device rounding, GgufFile file, WeightSlice slice, GgufTensor tensor, int reordered)
    {
        try
        {
            long rowBytes = tensor.Bytes / slice.Rows;
            nint first = file.Address(tensor);
            if (IsSame(tensor.Type, slice.Parameter.Type) && slice.Parameter.Columns % DTypes.GroupElements == 0)
            {
                StoreBlocks(device, slice, first, rowBytes, reordered);
            }
            else
            {
                RoundedRows.Fill(rounding, slice.Parameter, slice.RowStart, slice.Rows, (row, rows, target) =>
                    Widen(device, tensor.Type, first, rowBytes, slice.Parameter.Columns, row, rows, target, reordered));
            }
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{file.FilePath}: tensor '{tensor.Name}', {exception.Message}", exception);
        }
    }

    private static bool IsSame(GgufTensorType stored, DType type) =>
        (stored, type) is (GgufTensorType.Q8, DType.Int8) or (GgufTensorType.Q4, DType.Int4);

    private static void StoreBlocks(Device device, WeightSlice slice, nint first, long rowBytes, int reordered)
    {
        slice.Parameter.EditWhole(matrix =>
        {
            if (reordered == 1)
            {
                GroupedMatrix.StoreBlocks(device, matrix, slice.RowStart, slice.Rows, (byte*)first);
                return;
            }

            for (int row = 0; row < slice.Rows; row++)
            {
                byte* source = (byte*)first + (SourceRow(row, reordered) * rowBytes);
                GroupedMatrix.StoreBlocks(device, matrix, slice.RowStart + row, 1, source);
            }
        });
    }

    private static void Widen(
        Device device, GgufTensorType type, nint first, long rowBytes, int columns, int row, int rows, float* target, int reordered)
    {
        if (reordered == 1)
        {
            GgufModel.Convert(device, type, first + (nint)(row * rowBytes), DType.F32, (nint)target, (long)rows * columns);
            return;
        }

        for (int i = 0; i < rows; i++)
        {
            nint source = first + (nint)(SourceRow(row + i, reordered) * rowBytes);
            GgufModel.Convert(device, type, source, DType.F32, (nint)(target + ((long)i * columns)), columns);
        }
    }

    /// <summary>Where a row of halves lies among neighbours.</summary>
    private static long SourceRow(int row, int headDim)
    {
        int inHead = row % headDim, half = headDim / 2;
        return row - inHead + (2 * (inHead % half)) + (inHead / half);
    }
}
