using System.Numerics;
using System.Runtime.CompilerServices;
using Tessera.Devices;

namespace Tessera.Models.Safetensors;

/// <summary>Copies between element types; sources may have any alignment. Narrowing rounds to nearest, ties to even.</summary>
internal static unsafe class ElementConversion
{
    /// <summary>Copies to f32 or bf16; false where the source is not F32, BF16, F16 or F64.</summary>
    public static bool TryCopy(SafetensorsType from, nint source, DType target, nint destination, long count)
    {
        if (target is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"weights are copied to f32 or bf16, not to {target.Label()}", nameof(target));
        }

        if (from == SafetensorsTypes.From(target))
        {
            long bytes = count * target.Bytes();
            Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);
            return true;
        }

        switch (from)
        {
            case SafetensorsType.BF16:
                Widen((byte*)source, (float*)destination, count);
                return true;
            case SafetensorsType.F32:
                Narrow((byte*)source, (ushort*)destination, count);
                return true;
            case SafetensorsType.F16:
                for (long i = 0; i < count; i++)
                {
                    Store(target, destination, i, (float)Unsafe.ReadUnaligned<Half>((byte*)source + (2 * i)));
                }

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

    private static void Widen(byte* source, float* destination, long count)
    {
        long i = 0;
        for (; i <= count - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(Vector.Load((ushort*)(source + (2 * i))), out Vector<uint> low, out Vector<uint> high);
            (low << 16).Store((uint*)destination + i);
            (high << 16).Store((uint*)destination + i + Vector<uint>.Count);
        }

        for (; i < count; i++)
        {
            destination[i] = Bf16.Widen(Unsafe.ReadUnaligned<ushort>(source + (2 * i)));
        }
    }

    private static void Narrow(byte* source, ushort* destination, long count)
    {
        long i = 0;
        for (; i <= count - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector<uint> low = Round(Vector.Load((uint*)(source + (4 * i))));
            Vector<uint> high = Round(Vector.Load((uint*)(source + (4 * i)) + Vector<uint>.Count));
            Vector.Narrow(low, high).Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = Bf16.Round(Unsafe.ReadUnaligned<float>(source + (4 * i)));
        }
    }

    // Bf16.Round lane by lane: ties to even by adding the kept part's last bit; a NaN is cut and made quiet instead.
    private static Vector<uint> Round(Vector<uint> bits)
    {
        Vector<uint> kept = bits >>> 16;
        Vector<uint> rounded = (bits + new Vector<uint>(0x7FFF) + (kept & Vector<uint>.One)) >>> 16;
        Vector<uint> isNaN = Vector.GreaterThan(bits & new Vector<uint>(0x7FFF_FFFF), new Vector<uint>(0x7F80_0000));
        return Vector.ConditionalSelect(isNaN, kept | new Vector<uint>(0x40), rounded);
    }
}
