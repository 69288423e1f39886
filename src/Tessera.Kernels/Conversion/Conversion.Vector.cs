using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    /// <summary>Rounds a range on the calling thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void RoundRange(float* source, ushort* target, long count, bool pastCaches)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + 32 <= count; i += 32)
            {
                VectorMath.PrefetchOnce(source + i + VectorMath.FloatsAhead);
                VectorMath.PrefetchOnce(source + i + 16 + VectorMath.FloatsAhead);
                Vector512<uint> low = RoundBits(Vector512.Load((uint*)source + i));
                Vector512<uint> high = RoundBits(Vector512.Load((uint*)source + i + 16));
                VectorMath.Store(Vector512.Narrow(low, high).AsSingle(), (float*)(target + i), pastCaches);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                VectorMath.PrefetchOnce(source + i + VectorMath.FloatsAhead);
                Vector256<uint> low = RoundBits(Vector256.Load((uint*)source + i));
                Vector256<uint> high = RoundBits(Vector256.Load((uint*)source + i + 8));
                Store(Vector256.Narrow(low, high), target + i, pastCaches);
            }
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (; i + 8 <= count; i += 8)
            {
                Vector128<uint> low = RoundBits(Vector128.Load((uint*)source + i));
                Vector128<uint> high = RoundBits(Vector128.Load((uint*)source + i + 4));
                Store(Vector128.Narrow(low, high), target + i, pastCaches);
            }
        }

        for (; i < count; i++)
        {
            target[i] = Bf16.Round(source[i]);
        }
    }

    /// <summary>Widens a range on the calling thread and asks for as many elements at <paramref name="ahead"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void WidenRange(ushort* source, float* target, long count, ushort* ahead, bool pastCaches)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + 32 <= count; i += 32)
            {
                VectorMath.PrefetchOnce(ahead + i);
                (Vector512<uint> low, Vector512<uint> high) = Vector512.Widen(Vector512.Load(source + i));
                VectorMath.Store((low << 16).AsSingle(), target + i, pastCaches);
                VectorMath.Store((high << 16).AsSingle(), target + i + 16, pastCaches);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(source + i));
                Store((low << 16).AsUInt16(), (ushort*)(target + i), pastCaches);
                Store((high << 16).AsUInt16(), (ushort*)(target + i + 8), pastCaches);
            }
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (; i + 8 <= count; i += 8)
            {
                (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.Load(source + i));
                Store((low << 16).AsUInt16(), (ushort*)(target + i), pastCaches);
                Store((high << 16).AsUInt16(), (ushort*)(target + i + 4), pastCaches);
            }
        }

        for (; i < count; i++)
        {
            ((uint*)target)[i] = (uint)source[i] << 16;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<ushort> v, ushort* target, bool pastCaches)
    {
        if (pastCaches)
        {
            v.StoreAlignedNonTemporal(target);
        }
        else
        {
            v.Store(target);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<ushort> v, ushort* target, bool pastCaches)
    {
        if (pastCaches)
        {
            v.StoreAlignedNonTemporal(target);
        }
        else
        {
            v.Store(target);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> RoundBits(Vector128<uint> bits)
    {
        Vector128<uint> upper = bits >>> 16;
        Vector128<uint> rounded = (bits + Vector128.Create(0x7FFFu) + (upper & Vector128<uint>.One)) >>> 16;
        Vector128<uint> isNan = Vector128.GreaterThan(bits & Vector128.Create(0x7FFF_FFFFu), Vector128.Create(0x7F80_0000u));
        return Vector128.ConditionalSelect(isNan, upper | Vector128.Create(0x0040u), rounded);
    }
}
