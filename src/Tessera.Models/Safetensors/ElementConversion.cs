using System.Runtime.CompilerServices;
using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Models.Safetensors;

/// <summary>Copies between element types; sources may have any alignment. Narrowing rounds to nearest, ties to even.</summary>
internal static unsafe class ElementConversion
{
    /// <summary>Copies to f32 or bf16 on all of a device's workers; false where the source is not F32, BF16, F16 or F64.</summary>
    public static bool TryCopy(Device device, SafetensorsType from, nint source, DType target, nint destination, long count)
    {
        if (target is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"weights are copied to f32 or bf16, not to {target.Label()}", nameof(target));
        }

        if (from == SafetensorsTypes.From(target))
        {
            Conversion.Copy(device, (byte*)source, (byte*)destination, count * target.Bytes());
            return true;
        }

        switch (from)
        {
            case SafetensorsType.BF16:
                Conversion.FromBf16(device, (ushort*)source, (float*)destination, count);
                return true;
            case SafetensorsType.F32:
                Conversion.ToBf16(device, (float*)source, (ushort*)destination, count);
                return true;
            case SafetensorsType.F16 when target == DType.F32:
                Conversion.FromF16(device, (ushort*)source, (float*)destination, count);
                return true;
            case SafetensorsType.F16:
                Conversion.F16ToBf16(device, (ushort*)source, (ushort*)destination, count);
                return true;
            case SafetensorsType.F64:
                for (long i = 0; i < count; i++)
                {
                    Store(target, destination, i, (float)Unsafe.ReadUnaligned<double>((byte*)source + (8 * i)));
                }

                return true;
            default:
                return false;
        }
    }

    /// <summary>The elements of an I32 or I64 tensor.</summary>
    public static long[] ReadIntegers(SafetensorsType from, nint source, int count)
    {
        var result = new long[count];
        for (int i = 0; i < count; i++)
        {
            result[i] = from == SafetensorsType.I64
                ? Unsafe.ReadUnaligned<long>((byte*)source + (8L * i))
                : Unsafe.ReadUnaligned<int>((byte*)source + (4L * i));
        }

        return result;
    }

    private static void Store(DType target, nint destination, long index, float value)
    {
        if (target == DType.F32)
        {
            ((float*)destination)[index] = value;
        }
        else
        {
            ((ushort*)destination)[index] = Bf16.Round(value);
        }
    }
}
