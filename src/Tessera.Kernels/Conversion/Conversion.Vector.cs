using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void RoundRange(float* source, ushort* target, long count)
    {
        long i = 0;
        if (Avx512F.IsSupported)
        {
            for (; i + 16 <= count; i += 16)
            {
                Vector512<uint> bits = Vector512.Load((uint*)source + i);
                Avx512F.ConvertToVector256UInt16(RoundBits(bits)).Store(target + i);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                Vector256<uint> low = RoundBits(Vector256.Load((uint*)source + i));
                Vector256<uint> high = RoundBits(Vector256.Load((uint*)source + i + 8));
                Vector256.Narrow(low, high).Store(target + i);
            }
        }

        for (; i < count; i++)
        {
            target[i] = Bf16.Round(source[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenRange(ushort* source, float* target, long count)
    {
        long i = 0;
        if (Avx512F.IsSupported)
        {
            for (; i + 16 <= count; i += 16)
            {
                (Avx512F.ConvertToVector512UInt32(Vector256.Load(source + i)) << 16).Store((uint*)target + i);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(source + i));
                (low << 16).Store((uint*)target + i);
                (high << 16).Store((uint*)target + i + 8);
            }
        }

        for (; i < count; i++)
        {
            ((uint*)target)[i] = (uint)source[i] << 16;
        }
    }

    // Adding half a unit, or just below it where the kept part is even, carries exactly when the value rounds up. A NaN is
    // anything above the pattern of infinity without its sign; the addition could carry it into infinity, so it only gets
    // its quiet bit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> RoundBits(Vector512<uint> bits)
    {
        Vector512<uint> upper = bits >>> 16;
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + (upper & Vector512<uint>.One)) >>> 16;
        Vector512<uint> isNan = Vector512.GreaterThan(bits & Vector512.Create(0x7FFF_FFFFu), Vector512.Create(0x7F80_0000u));
        return Vector512.ConditionalSelect(isNan, upper | Vector512.Create(0x0040u), rounded);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RoundBits(Vector256<uint> bits)
    {
        Vector256<uint> upper = bits >>> 16;
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256<uint>.One)) >>> 16;
        Vector256<uint> isNan = Vector256.GreaterThan(bits & Vector256.Create(0x7FFF_FFFFu), Vector256.Create(0x7F80_0000u));
        return Vector256.ConditionalSelect(isNan, upper | Vector256.Create(0x0040u), rounded);
    }
}
