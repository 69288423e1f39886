using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    // Exponents of binary16 are biased by 15, those of binary32 by 127; fractions have 10 and 23 bits.
    private const int FractionShift = 13;
    private const uint HalfInfinity = 0x7C00;
    private const uint HalfInfinityWide = HalfInfinity << FractionShift;
    private const uint SingleInfinity = 0x7F80_0000;

    // 2^112: moves a binary16 pattern that was shifted into a binary32's place to the binary32's bias, denormals included.
    private const float BiasStep = 5.192296858534828e33f;

    // 65520 lies halfway between the largest finite binary16 and the next step, and ties go to that even step: infinity.
    private const uint FirstInfinite = 0x477F_F000;

    // 2^-14, the smallest normal binary16, and the number whose last place is the binary16 denormals' unit, 2^-24.
    private const uint FirstNormal = 0x3880_0000;
    private const uint DenormalMagic = 0x3F00_0000;

    /// <summary>Rounds to the nearest binary16, ties to even.</summary>
    /// <remarks>
    /// target[i] = f16(source[i]); from 65520 on the result is infinity; a NaN becomes quiet and keeps its sign.
    /// Shapes: both [count].
    /// Aliasing: target must not overlap source.
    /// Error: none beyond the one rounding; equal to <see cref="Half"/>'s conversion bit for bit but for the payload of a NaN.
    /// Cost: 6 bytes an element.
    /// </remarks>
    public static void ToF16(Device device, float* source, ushort* target, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ConvertCuda(cuda, (int)DType.F32, source, F16, target, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &NarrowHalfShare, new Job { Floats = source, Halves = target, Count = count });
    }

    /// <summary>Widens binary16 to f32, exactly.</summary>
    /// <remarks>
    /// target[i] = f32(source[i]), denormals and infinities included; a NaN stays a NaN.
    /// Shapes: both [count].
    /// Aliasing: target must not overlap source.
    /// Cost: 6 bytes an element.
    /// </remarks>
    public static void FromF16(Device device, ushort* source, float* target, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ConvertCuda(cuda, F16, source, (int)DType.F32, target, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &WidenHalfShare, new Job { Floats = target, Halves = source, Count = count });
    }

    /// <summary>Turns binary16 into bf16: widened exactly, then rounded once to nearest, ties to even.</summary>
    /// <remarks>
    /// target[i] = bf16(f32(source[i])). Shapes: both [count]. Aliasing: target must not overlap source. Cost: 4 bytes an element.
    /// </remarks>
    public static void F16ToBf16(Device device, ushort* source, ushort* target, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ConvertCuda(cuda, F16, source, (int)DType.BF16, target, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &HalfToBf16Share, new Job { Halves = source, Target = target, Count = count });
    }

    private static void NarrowHalfShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count, worker, workers, 64);
        NarrowHalfRange(
            job->Floats + start, job->Halves + start, end - start, VectorMath.WritesPastCaches(job->Halves, job->Count * sizeof(ushort)));
    }

    private static void WidenHalfShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count, worker, workers, 64);
        WidenHalfRange(
            job->Halves + start, job->Floats + start, end - start, VectorMath.WritesPastCaches(job->Floats, job->Count * sizeof(float)));
    }

    private static void HalfToBf16Share(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count, worker, workers, 64);
        HalfToBf16Range(job->Halves + start, job->Target + start, end - start);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowHalfRange(float* source, ushort* target, long count, bool pastCaches)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + 32 <= count; i += 32)
            {
                VectorMath.PrefetchOnce(source + i + VectorMath.FloatsAhead);
                VectorMath.PrefetchOnce(source + i + 16 + VectorMath.FloatsAhead);
                Vector512<uint> low = ToHalfBits(Vector512.Load((uint*)source + i));
                Vector512<uint> high = ToHalfBits(Vector512.Load((uint*)source + i + 16));
                VectorMath.Store(Vector512.Narrow(low, high).AsSingle(), (float*)(target + i), pastCaches);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                Vector256<uint> low = ToHalfBits(Vector256.Load((uint*)source + i));
                Vector256<uint> high = ToHalfBits(Vector256.Load((uint*)source + i + 8));
                Vector256.Narrow(low, high).Store(target + i);
            }
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (; i + 8 <= count; i += 8)
            {
                Vector128<uint> low = ToHalfBits(Vector128.Load((uint*)source + i));
                Vector128<uint> high = ToHalfBits(Vector128.Load((uint*)source + i + 4));
                Vector128.Narrow(low, high).Store(target + i);
            }
        }

        for (; i < count; i++)
        {
            target[i] = BitConverter.HalfToUInt16Bits((Half)source[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenHalfRange(ushort* source, float* target, long count, bool pastCaches)
    {
        long i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + 32 <= count; i += 32)
            {
                VectorMath.PrefetchOnce(source + i + (2 * VectorMath.FloatsAhead));
                (Vector512<uint> low, Vector512<uint> high) = Vector512.Widen(Vector512.Load(source + i));
                VectorMath.Store(FromHalfBits(low).AsSingle(), target + i, pastCaches);
                VectorMath.Store(FromHalfBits(high).AsSingle(), target + i + 16, pastCaches);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(source + i));
                FromHalfBits(low).Store((uint*)target + i);
                FromHalfBits(high).Store((uint*)target + i + 8);
            }
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (; i + 8 <= count; i += 8)
            {
                (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.Load(source + i));
                FromHalfBits(low).Store((uint*)target + i);
                FromHalfBits(high).Store((uint*)target + i + 4);
            }
        }

        for (; i < count; i++)
        {
            target[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalfToBf16Range(ushort* source, ushort* target, long count)
    {
        long i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= count; i += 16)
            {
                (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(source + i));
                Vector256.Narrow(RoundBits(FromHalfBits(low)), RoundBits(FromHalfBits(high))).Store(target + i);
            }
        }

        for (; i < count; i++)
        {
            target[i] = Bf16.Round((float)BitConverter.UInt16BitsToHalf(source[i]));
        }
    }

    /// <summary>Binary16 patterns, in the low halves of their lanes, of binary32 patterns.</summary>
    /// <remarks>
    /// Below 2^-14 an addition lets the processor round to the denormals' unit; from there on the exponent is moved and half a unit
    /// (or just below it where the kept part is even) is added before the fraction is cut.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<uint> ToHalfBits(Vector512<uint> bits)
    {
        Vector512<uint> sign = (bits >>> 16) & Vector512.Create(0x8000u);
        Vector512<uint> size = bits & Vector512.Create(0x7FFF_FFFFu);
        Vector512<float> magic = Vector512.Create(DenormalMagic).AsSingle();
        Vector512<uint> denormal = (size.AsSingle() + magic).AsUInt32() - magic.AsUInt32();
        Vector512<uint> odd = (size >>> FractionShift) & Vector512<uint>.One;
        Vector512<uint> normal = (size - Vector512.Create((127u - 15u) << 23) + Vector512.Create(0xFFFu) + odd) >>> FractionShift;
        Vector512<uint> result = Vector512.ConditionalSelect(Vector512.LessThan(size, Vector512.Create(FirstNormal)), denormal, normal);
        result = Vector512.ConditionalSelect(
            Vector512.GreaterThanOrEqual(size, Vector512.Create(FirstInfinite)), Vector512.Create(HalfInfinity), result);
        Vector512<uint> isNan = Vector512.GreaterThan(size, Vector512.Create(SingleInfinity));
        return sign | Vector512.ConditionalSelect(isNan, Vector512.Create(0x7E00u), result);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> ToHalfBits(Vector256<uint> bits)
    {
        Vector256<uint> sign = (bits >>> 16) & Vector256.Create(0x8000u);
        Vector256<uint> size = bits & Vector256.Create(0x7FFF_FFFFu);
        Vector256<float> magic = Vector256.Create(DenormalMagic).AsSingle();
        Vector256<uint> denormal = (size.AsSingle() + magic).AsUInt32() - magic.AsUInt32();
        Vector256<uint> odd = (size >>> FractionShift) & Vector256<uint>.One;
        Vector256<uint> normal = (size - Vector256.Create((127u - 15u) << 23) + Vector256.Create(0xFFFu) + odd) >>> FractionShift;
        Vector256<uint> result = Vector256.ConditionalSelect(Vector256.LessThan(size, Vector256.Create(FirstNormal)), denormal, normal);
        result = Vector256.ConditionalSelect(
            Vector256.GreaterThanOrEqual(size, Vector256.Create(FirstInfinite)), Vector256.Create(HalfInfinity), result);
        Vector256<uint> isNan = Vector256.GreaterThan(size, Vector256.Create(SingleInfinity));
        return sign | Vector256.ConditionalSelect(isNan, Vector256.Create(0x7E00u), result);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> ToHalfBits(Vector128<uint> bits)
    {
        Vector128<uint> sign = (bits >>> 16) & Vector128.Create(0x8000u);
        Vector128<uint> size = bits & Vector128.Create(0x7FFF_FFFFu);
        Vector128<float> magic = Vector128.Create(DenormalMagic).AsSingle();
        Vector128<uint> denormal = (size.AsSingle() + magic).AsUInt32() - magic.AsUInt32();
        Vector128<uint> odd = (size >>> FractionShift) & Vector128<uint>.One;
        Vector128<uint> normal = (size - Vector128.Create((127u - 15u) << 23) + Vector128.Create(0xFFFu) + odd) >>> FractionShift;
        Vector128<uint> result = Vector128.ConditionalSelect(Vector128.LessThan(size, Vector128.Create(FirstNormal)), denormal, normal);
        result = Vector128.ConditionalSelect(
            Vector128.GreaterThanOrEqual(size, Vector128.Create(FirstInfinite)), Vector128.Create(HalfInfinity), result);
        Vector128<uint> isNan = Vector128.GreaterThan(size, Vector128.Create(SingleInfinity));
        return sign | Vector128.ConditionalSelect(isNan, Vector128.Create(0x7E00u), result);
    }

    /// <summary>Binary32 patterns of binary16 patterns, exactly: a power of two is multiplied, and the result is a normal number or zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<uint> FromHalfBits(Vector512<uint> bits)
    {
        Vector512<uint> sign = (bits & Vector512.Create(0x8000u)) << 16;
        Vector512<uint> size = (bits & Vector512.Create(0x7FFFu)) << FractionShift;
        Vector512<uint> finite = (size.AsSingle() * Vector512.Create(BiasStep)).AsUInt32();
        Vector512<uint> endless = Vector512.GreaterThanOrEqual(size, Vector512.Create(HalfInfinityWide));
        return sign | Vector512.ConditionalSelect(endless, size | Vector512.Create(SingleInfinity), finite);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> FromHalfBits(Vector256<uint> bits)
    {
        Vector256<uint> sign = (bits & Vector256.Create(0x8000u)) << 16;
        Vector256<uint> size = (bits & Vector256.Create(0x7FFFu)) << FractionShift;
        Vector256<uint> finite = (size.AsSingle() * Vector256.Create(BiasStep)).AsUInt32();
        Vector256<uint> endless = Vector256.GreaterThanOrEqual(size, Vector256.Create(HalfInfinityWide));
        return sign | Vector256.ConditionalSelect(endless, size | Vector256.Create(SingleInfinity), finite);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<uint> FromHalfBits(Vector128<uint> bits)
    {
        Vector128<uint> sign = (bits & Vector128.Create(0x8000u)) << 16;
        Vector128<uint> size = (bits & Vector128.Create(0x7FFFu)) << FractionShift;
        Vector128<uint> finite = (size.AsSingle() * Vector128.Create(BiasStep)).AsUInt32();
        Vector128<uint> endless = Vector128.GreaterThanOrEqual(size, Vector128.Create(HalfInfinityWide));
        return sign | Vector128.ConditionalSelect(endless, size | Vector128.Create(SingleInfinity), finite);
    }
}
