using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>Gives rows to <paramref name="target"/>, dense.</summary>
/// <param name="row">First row.</param>
/// <param name="rows">Rows.</param>
/// <param name="target">Room for them, f32.</param>
internal unsafe delegate void RowSource(int row, int rows, float* target);

/// <summary>Rows of parameters in int8, int4 or fp8, moved through f32 in portions, so that no matrix is in f32 as a whole.</summary>
internal static unsafe class RoundedRows
{
    private const long PortionBytes = 8L << 20;

    /// <summary>Rounds rows into a parameter.</summary>
    /// <param name="device">Where to round: a processor, or the device whose memory holds an fp8 parameter.</param>
    /// <param name="parameter">int8, int4 or fp8.</param>
    /// <param name="firstRow">First row of the parameter.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="source">Gives them, counted from 0.</param>
    /// <exception cref="InvalidDataException">A weight is not a number or too large for the type.</exception>
    public static void Fill(Device device, Parameter parameter, int firstRow, int rows, RowSource source)
    {
        if (parameter.Type == DType.FP8 && ReferenceEquals(device.Memory, parameter.Memory))
        {
            FillInPlace(device, parameter, firstRow, rows, source);
            return;
        }

        parameter.EditWhole(matrix => InPortions(parameter.Columns, rows, (row, count, portion) =>
        {
            source(row, count, (float*)portion);
            if (parameter.Type == DType.FP8)
            {
                Fp8Matrix.Store(device, matrix, firstRow + row, count, (float*)portion, parameter.Columns);
            }
            else if (!GroupedMatrix.TryStore(
                device, matrix, firstRow + row, count, (float*)portion, parameter.Columns, out int badRow, out int column))
            {
                throw new InvalidDataException(GroupedMatrix.Refusal(parameter.Type, row + badRow, column));
            }
        }));
    }

    /// <summary>Brings a portion to the device at a time and rounds it there.</summary>
    private static void FillInPlace(Device device, Parameter parameter, int firstRow, int rows, RowSource source)
    {
        using var arena = device.CreateArena("rows to be rounded");
        float* there = null;
        InPortions(parameter.Columns, rows, (row, count, portion) =>
        {
            source(row, count, (float*)portion);
            long elements = (long)count * parameter.Columns;
            there = there is null ? arena.Floats(elements) : there;
            device.Memory.Upload(portion, (nint)there, elements * sizeof(float));
            Fp8Matrix.Store(device, parameter.Master, firstRow + row, count, there, parameter.Columns);
        });
        parameter.MarkChanged();
    }

    /// <summary>Calls <paramref name="move"/> with first row, number of rows and room for them in f32.</summary>
    public static void InPortions(int columns, int rows, Action<int, int, nint> move)
    {
        long rowBytes = Math.Max(1, (long)columns) * sizeof(float);
        int most = (int)Math.Clamp(PortionBytes / rowBytes, 1, Math.Max(1, rows));
        void* portion = NativeMemory.AlignedAlloc((nuint)(most * rowBytes), 64);
        try
        {
            for (int row = 0; row < rows; row += most)
            {
                move(row, Math.Min(most, rows - row), (nint)portion);
            }
        }
        finally
        {
            NativeMemory.AlignedFree(portion);
        }
    }
}
