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
        Copy(source.View, target.Address, target.Type);
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
}
