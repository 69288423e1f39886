using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>Copies weights between storage types and between memories.</summary>
internal static unsafe class ParameterConversion
{
    // From here on the start of threads is lost in the time of the copy.
    private const long LargeCount = 1L << 22;

    public static void Copy(Parameter source, Parameter target)
    {
        if (source.Type == target.Type && ReferenceEquals(source.Memory, target.Memory))
        {
            target.Memory.Copy(source.Address, target.Address, source.Bytes);
            target.MarkChanged();
        }
        else if (source.Type == target.Type && source.Type.HasScales())
        {
            source.ReadWhole(from => target.Memory.Upload(from.Address, target.Address, target.Bytes));
            target.MarkChanged();
        }
        else if (source.Type.HasScales() || target.Type.HasScales())
        {
            CopyThroughFloats(source, target);
        }
        else
        {
            CopyRows(source, 0, target, 0, source.Rows);
        }
    }

    /// <summary>Copies rows into rows of as many columns; both in f32 or bf16.</summary>
    public static void CopyRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows)
    {
        using var device = new CpuDevice((long)rows * source.Columns < LargeCount ? 1 : 0);
        source.Read(sourceRow, rows, (row, from) =>
            target.Write(targetRow + row, from.Rows, (inner, to) => Copy(device, Rows(from, inner, to.Rows), to)));
    }

    /// <summary>Copies elements of matrices of one shape in the host's memory; both in f32 or bf16.</summary>
    public static void Copy(Device device, MatrixView source, MatrixView target)
    {
        long count = (long)source.Rows * source.Columns;
        if (source.Type == target.Type)
        {
            Conversion.Copy(device, (byte*)source.Address, (byte*)target.Address, count * source.Type.Bytes());
        }
        else if (target.Type == DType.BF16)
        {
            Conversion.ToBf16(device, source.Floats, target.Halves, count);
        }
        else
        {
            Conversion.FromBf16(device, source.Halves, target.Floats, count);
        }
    }

    private static MatrixView Rows(MatrixView matrix, int start, int rows) =>
        MatrixView.Of(matrix.Elements + ((long)start * matrix.Columns), rows, matrix.Columns);

    private static void CopyThroughFloats(Parameter source, Parameter target)
    {
        using var device = new CpuDevice();
        void Store(MatrixView into) => RoundedRows.InPortions(source.Columns, source.Rows, (row, rows, portion) =>
        {
            var floats = new MatrixView(portion, DType.F32, rows, source.Columns);
            Load(row, floats);
            if (into.Type == DType.FP8)
            {
                Fp8Matrix.Store(device, into, row, rows, floats.Floats, source.Columns);
            }
            else
            {
                GroupedMatrix.Store(device, into, row, rows, floats.Floats, source.Columns);
            }
        });

        void Load(int row, MatrixView floats)
        {
            if (source.Type == DType.FP8)
            {
                source.ReadWhole(from => Fp8Matrix.Load(device, from, row, floats.Rows, floats.Floats, source.Columns));
            }
            else if (source.Type.IsGrouped())
            {
                source.ReadWhole(from => GroupedMatrix.Load(device, from, row, floats.Rows, floats.Floats, source.Columns));
            }
            else
            {
                source.Read(row, floats.Rows, (inner, from) => Copy(device, from, Rows(floats, inner, from.Rows)));
            }
        }

        if (target.Type.HasScales())
        {
            target.EditWhole(Store);
            return;
        }

        RoundedRows.InPortions(source.Columns, source.Rows, (row, rows, portion) =>
        {
            var floats = new MatrixView(portion, DType.F32, rows, source.Columns);
            Load(row, floats);
            target.Write(row, rows, (inner, to) => Copy(device, Rows(floats, inner, to.Rows), to));
        });
    }
}
