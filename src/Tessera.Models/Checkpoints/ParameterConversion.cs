using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>Copies weights between storage types.</summary>
internal static unsafe class ParameterConversion
{
    // From here on the start of threads is lost in the time of the copy.
    private const long LargeCount = 1L << 22;

    public static void Copy(Parameter source, Parameter target)
    {
        if (source.Type == target.Type)
        {
            Buffer.MemoryCopy((void*)source.Address, (void*)target.Address, target.Bytes, source.Bytes);
        }
        else if (source.Type.IsGrouped() || target.Type.IsGrouped())
        {
            CopyThroughFloats(source.View, target);
        }
        else
        {
            Copy(source.View, target.Address, target.Type);
        }

        target.MarkChanged();
    }

    public static void Copy(MatrixView source, nint target, DType type)
    {
        using var device = new CpuDevice((long)source.Rows * source.Columns < LargeCount ? 1 : 0);
        Copy(device, source, target, type);
    }

    public static void Copy(Device device, MatrixView source, nint target, DType type)
    {
        long count = (long)source.Rows * source.Columns;
        if (source.Type == type)
        {
            Conversion.Copy(device, (byte*)source.Address, (byte*)target, count * type.Bytes());
        }
        else if (type == DType.BF16)
        {
            Conversion.ToBf16(device, source.Floats, (ushort*)target, count);
        }
        else
        {
            Conversion.FromBf16(device, source.Halves, (float*)target, count);
        }
    }
    private static void CopyThroughFloats(MatrixView source, Parameter target)
    {
        using var device = new CpuDevice();
        GroupedRows.InPortions(source.Columns, source.Rows, (row, rows, portion) =>
        {
            var floats = new MatrixView(portion, DType.F32, rows, source.Columns);
            if (source.Type.IsGrouped())
            {
                GroupedMatrix.Load(device, source, row, rows, floats.Floats, source.Columns);
            }
            else
            {
                nint first = source.Address + (nint)source.Type.MatrixBytes(row, source.Columns);
                Copy(new MatrixView(first, source.Type, rows, source.Columns), portion, DType.F32);
            }

            if (target.Type.IsGrouped())
            {
                GroupedMatrix.Store(device, target.View, row, rows, floats.Floats, source.Columns);
            }
            else
            {
                Copy(floats, target.RowsView(row, rows).Address, target.Type);
            }
        });
    }
}
