using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>What a processor can do at best, measured with all workers of a device at once.</summary>
/// <param name="FusedMultiplyAddFlops">f32 FLOP per second of multiply-adds on registers.</param>
/// <param name="StreamReadBytes">Bytes per second of summing 256 MiB.</param>
/// <param name="StreamCopyBytes">Bytes read plus written per second of copying 128 MiB.</param>
public sealed unsafe record Ceilings(double FusedMultiplyAddFlops, double StreamReadBytes, double StreamCopyBytes)
{
    /// <summary>Measures all three, the best of a few rounds each; takes about half a second.</summary>
    public static Ceilings Measure(CpuDevice device)
    {
        using var probe = new CeilingProbe(device);
        double flops = 0, read = 0, copy = 0;
        for (int round = 0; round < 5; round++)
        {
            flops = Math.Max(flops, probe.Rate(BenchCeiling.FusedMultiplyAdd));
            read = Math.Max(read, probe.Rate(BenchCeiling.StreamRead));
            copy = Math.Max(copy, probe.Rate(BenchCeiling.StreamCopy));
        }

        return new Ceilings(flops, read, copy);
    }
}

/// <summary>The loops behind <see cref="Ceilings"/>, kept ready so that a ceiling can be measured between two kernel runs.</summary>
public sealed unsafe class CeilingProbe : IDisposable
{
    private const long BufferBytes = 256L << 20;
    private const int Steps = 400_000;

    private readonly CpuDevice _device;
    private byte* _buffer;

    /// <summary>A probe of all workers of a device.</summary>
    public CeilingProbe(CpuDevice device) => _device = device;

    /// <summary>One measurement: FLOP or bytes per second.</summary>
    public double Rate(BenchCeiling ceiling)
    {
        if (ceiling is BenchCeiling.StreamRead or BenchCeiling.StreamCopy && _buffer == null)
        {
            _buffer = (byte*)NativeMemory.AlignedAlloc((nuint)BufferBytes, 64);
            new Span<float>(_buffer, (int)(BufferBytes / sizeof(float))).Fill(1.25f);
        }

        delegate*<void*, int, int, void> body = ceiling switch
        {
            BenchCeiling.FusedMultiplyAdd => &MultiplyAdd,
            BenchCeiling.Int8DotProduct => &DotProducts,
            BenchCeiling.StreamRead => &Read,
            _ => &Copy,
        };
        long start = Stopwatch.GetTimestamp();
        _device.Workers.Run(body, _buffer);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double work = ceiling switch
        {
            BenchCeiling.FusedMultiplyAdd => FlopsPerWorker * _device.Workers.Count,
            BenchCeiling.Int8DotProduct => Int8Ceiling.OperationsPerWorker * _device.Workers.Count,
            _ => BufferBytes,
        };
        return work / seconds;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        NativeMemory.AlignedFree(_buffer);
        _buffer = null;
    }

    private static double FlopsPerWorker =>
        Vector512.IsHardwareAccelerated ? Steps * 16.0 * 16 * 2
        : Vector256.IsHardwareAccelerated && Fma.IsSupported ? Steps * 12.0 * 8 * 2
        : Steps * 8.0 * 2;

    private static void DotProducts(void* context, int worker, int workers) => Consume(Int8Ceiling.Run());

    private static void MultiplyAdd(void* context, int worker, int workers)
    {
        float sum = Vector512.IsHardwareAccelerated ? MultiplyAdd512()
            : Vector256.IsHardwareAccelerated && Fma.IsSupported ? MultiplyAdd256()
            : MultiplyAddScalar();
        Consume(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdd512()
    {
        // x <- x·0.75 + 0.5 converges to 2: neither denormals nor infinities, whatever the number of steps.
        var scale = Vector512.Create(0.75f);
        var shift = Vector512.Create(0.5f);
        var a0 = Vector512.Create(1f);
        Vector512<float> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
        Vector512<float> b0 = shift, b1 = shift, b2 = shift, b3 = shift, b4 = shift, b5 = shift, b6 = shift, b7 = shift;
        for (int i = 0; i < Steps; i++)
        {
            a0 = Vector512.FusedMultiplyAdd(a0, scale, shift);
            a1 = Vector512.FusedMultiplyAdd(a1, scale, shift);
            a2 = Vector512.FusedMultiplyAdd(a2, scale, shift);
            a3 = Vector512.FusedMultiplyAdd(a3, scale, shift);
            a4 = Vector512.FusedMultiplyAdd(a4, scale, shift);
            a5 = Vector512.FusedMultiplyAdd(a5, scale, shift);
            a6 = Vector512.FusedMultiplyAdd(a6, scale, shift);
            a7 = Vector512.FusedMultiplyAdd(a7, scale, shift);
            b0 = Vector512.FusedMultiplyAdd(b0, scale, shift);
            b1 = Vector512.FusedMultiplyAdd(b1, scale, shift);
            b2 = Vector512.FusedMultiplyAdd(b2, scale, shift);
            b3 = Vector512.FusedMultiplyAdd(b3, scale, shift);
            b4 = Vector512.FusedMultiplyAdd(b4, scale, shift);
            b5 = Vector512.FusedMultiplyAdd(b5, scale, shift);
            b6 = Vector512.FusedMultiplyAdd(b6, scale, shift);
            b7 = Vector512.FusedMultiplyAdd(b7, scale, shift);
        }

        return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + b0 + b1 + b2 + b3 + b4 + b5 + b6 + b7);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdd256()
    {
        var scale = Vector256.Create(0.75f);
        var shift = Vector256.Create(0.5f);
        var a0 = Vector256.Create(1f);
        Vector256<float> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, b0 = shift, b1 = shift, b2 = shift, b3 = shift, b4 = shift, b5 = shift;
        for (int i = 0; i < Steps; i++)
        {
            a0 = Vector256.FusedMultiplyAdd(a0, scale, shift);
            a1 = Vector256.FusedMultiplyAdd(a1, scale, shift);
            a2 = Vector256.FusedMultiplyAdd(a2, scale, shift);
            a3 = Vector256.FusedMultiplyAdd(a3, scale, shift);
            a4 = Vector256.FusedMultiplyAdd(a4, scale, shift);
            a5 = Vector256.FusedMultiplyAdd(a5, scale, shift);
            b0 = Vector256.FusedMultiplyAdd(b0, scale, shift);
            b1 = Vector256.FusedMultiplyAdd(b1, scale, shift);
            b2 = Vector256.FusedMultiplyAdd(b2, scale, shift);
            b3 = Vector256.FusedMultiplyAdd(b3, scale, shift);
            b4 = Vector256.FusedMultiplyAdd(b4, scale, shift);
            b5 = Vector256.FusedMultiplyAdd(b5, scale, shift);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + b0 + b1 + b2 + b3 + b4 + b5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAddScalar()
    {
        float a = 1, b = 1.1f, c = 1.2f, d = 1.3f, e = 1.4f, f = 1.5f, g = 1.6f, h = 1.7f;
        for (int i = 0; i < Steps; i++)
        {
            a = (a * 0.75f) + 0.5f;
            b = (b * 0.75f) + 0.5f;
            c = (c * 0.75f) + 0.5f;
            d = (d * 0.75f) + 0.5f;
            e = (e * 0.75f) + 0.5f;
            f = (f * 0.75f) + 0.5f;
            g = (g * 0.75f) + 0.5f;
            h = (h * 0.75f) + 0.5f;
        }

        return a + b + c + d + e + f + g + h;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Read(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(BufferBytes, worker, workers, 256);
        byte* buffer = (byte*)context;
        Vector512<int> a = default, b = default, c = default, d = default;
        for (long i = start; i < end; i += 256)
        {
            a ^= Vector512.Load((int*)(buffer + i));
            b ^= Vector512.Load((int*)(buffer + i + 64));
            c ^= Vector512.Load((int*)(buffer + i + 128));
            d ^= Vector512.Load((int*)(buffer + i + 192));
        }

        Consume(Vector512.Sum(a ^ b ^ c ^ d));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Copy(void* context, int worker, int workers)
    {
        const long Half = BufferBytes / 2;
        var (start, end) = WorkerPool.Share(Half, worker, workers, 4096);
        byte* buffer = (byte*)context;
        Buffer.MemoryCopy(buffer + start, buffer + Half + start, end - start, end - start);
    }

    // Keeps the compiler from dropping loops whose result nobody needs.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Consume(float value) => _ = value;
}
