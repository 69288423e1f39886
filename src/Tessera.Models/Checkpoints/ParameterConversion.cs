using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>Copies weights between storage types.</summary>
internal static unsafe class ParameterConversion
{
    public static void Copy(Parameter source, Parameter target)
    {
        Copy(source.View, target.Address, target.Type);
        target.MarkChanged();
    }

    public static void Copy(MatrixView source, nint target, DType type)
    {
        long count = (long)source.Rows * source.Columns;
        if (source.Type == type)
        {
            long bytes = count * type.Bytes();
            Buffer.MemoryCopy((void*)source.Address, (void*)target, bytes, bytes);
            return;
        }

        for (long i = 0; i < count; i++)
        {
            if (type == DType.BF16)
            {
                ((ushort*)target)[i] = Bf16.Round(source.Floats[i]);
            }
            else
            {
                ((float*)target)[i] = Bf16.Widen(source.Halves[i]);
            }
        }
    }
}
