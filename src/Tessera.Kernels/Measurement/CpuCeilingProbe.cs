using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>The processor's ceilings, with all workers of a device at once.</summary>
/// <remarks>
/// Which loop streams fastest depends on the machine: on two cores of a Zen 5 server the system's memory copy reached half of
/// what stores past the caches did. So the candidates race once, and the fastest is the ceiling from then on.
/// Memory is taken from an arena as the kernels' is, so that both are on pages of the same size, and the copy does not begin at
/// the same place of a page as what it is copied from: on pages of 4 KiB, or exactly 128 MiB apart, the ceiling was 10 to 30 % lower.
/// A copy counts what it reads and what it writes, both once, as <see cref="BenchCase.Work"/> does.
/// </remarks>
internal sealed unsafe partial class CpuCeilingProbe : CeilingProbe
{
    private const long BufferBytes = 256L << 20;
    private const long HalfBytes = BufferBytes / 2;
    private const long CopyOffset = HalfBytes + 1024;
    private const int Rounds = 5;

    // 4 KiB ahead in one stream, as far as a page: beyond what the hardware looks ahead by itself.
    private const int BytesAhead = 4096;

    private readonly CpuDevice _device;
    private Arena? _arena;
    private byte* _buffer;
    private delegate*<void*, int, int, void> _read;
    private delegate*<void*, int, int, void> _copy;

    /// <summary>A probe of all workers of a device.</summary>
    public CpuCeilingProbe(CpuDevice device) => _device = device;

    /// <inheritdoc />
    public override double Rate(BenchCeiling ceiling)
    {
        if (ceiling == BenchCeiling.FusedMultiplyAdd)
        {
            return Rate(&MultiplyAdd, FlopsPerWorker * _device.Workers.Count);
        }

        if (ceiling == BenchCeiling.Int8DotProduct)
        {
            return Rate(&DotProducts, Int8Ceiling.OperationsPerWorker * _device.Workers.Count);
        }

        if (_buffer == null)
        {
            const long Bytes = HalfBytes + CopyOffset;
            _arena = new Arena("ceilings");
            _buffer = (byte*)_arena.Allocate(Bytes);
            new Span<float>(_buffer, (int)(Bytes / sizeof(float))).Fill(1.25f);
            _read = Fastest(&ReadOneStream, &ReadFourStreams, &ReadAhead);
            _copy = Fastest(&CopyByTheSystem, &CopyAhead, &CopyFourStreams);
        }

        return Rate(ceiling == BenchCeiling.StreamRead ? _read : _copy, BufferBytes);
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        _arena?.Dispose();
        _arena = null;
        _buffer = null;
    }

    private double Rate(delegate*<void*, int, int, void> body, double work)
    {
        long start = Stopwatch.GetTimestamp();
        _device.Workers.Run(body, _buffer);
        return work / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private delegate*<void*, int, int, void> Fastest(
        delegate*<void*, int, int, void> first, delegate*<void*, int, int, void> second, delegate*<void*, int, int, void> third)
    {
        double best1 = 0, best2 = 0, best3 = 0;
        for (int round = 0; round < Rounds; round++)
        {
            best1 = Math.Max(best1, Rate(first, BufferBytes));
            best2 = Math.Max(best2, Rate(second, BufferBytes));
            best3 = Math.Max(best3, Rate(third, BufferBytes));
        }

        return best1 >= best2 && best1 >= best3 ? first : best2 >= best3 ? second : third;
    }

    private static void DotProducts(void* context, int worker, int workers) => Consume(Int8Ceiling.Run());

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadOneStream(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(BufferBytes, worker, workers, 4096);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadFourStreams(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(BufferBytes, worker, workers, 4096);
        byte* first = (byte*)context + start;
        long quarter = (end - start) / 4;
        byte* second = first + quarter, third = second + quarter, fourth = third + quarter;
        Vector512<int> a = default, b = default, c = default, d = default;
        for (long i = 0; i < quarter; i += 64)
        {
            a ^= Vector512.Load((int*)(first + i));
            b ^= Vector512.Load((int*)(second + i));
            c ^= Vector512.Load((int*)(third + i));
            d ^= Vector512.Load((int*)(fourth + i));
        }

        Consume(Vector512.Sum(a ^ b ^ c ^ d));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadAhead(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(BufferBytes, worker, workers, 4096);
        byte* buffer = (byte*)context;
        Vector512<int> a = default, b = default;
        for (long i = start; i < end; i += 128)
        {
            Ahead(buffer + i);
            Ahead(buffer + i + 64);
            a ^= Vector512.Load((int*)(buffer + i));
            b ^= Vector512.Load((int*)(buffer + i + 64));
        }

        Consume(Vector512.Sum(a ^ b));
    }

    private static void CopyByTheSystem(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(HalfBytes, worker, workers, 4096);
        byte* source = (byte*)context + start;
        Buffer.MemoryCopy(source, source + CopyOffset, end - start, end - start);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyAhead(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(HalfBytes, worker, workers, 4096);
        byte* source = (byte*)context, target = source + CopyOffset;
        for (long i = start; i < end; i += 128)
        {
            Ahead(source + i);
            Ahead(source + i + 64);
            var low = Vector512.Load((float*)(source + i));
            var high = Vector512.Load((float*)(source + i + 64));
            low.StoreAlignedNonTemporal((float*)(target + i));
            high.StoreAlignedNonTemporal((float*)(target + i + 64));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyFourStreams(void* context, int worker, int workers)
    {
        var (start, end) = WorkerPool.Share(HalfBytes, worker, workers, 4096);
        byte* source = (byte*)context + start, target = source + CopyOffset;
        long quarter = (end - start) / 4;
        for (long i = 0; i < quarter; i += 64)
        {
            byte* from = source + i, to = target + i;
            var a = Vector512.Load((float*)from);
            var b = Vector512.Load((float*)(from + quarter));
            var c = Vector512.Load((float*)(from + (2 * quarter)));
            var d = Vector512.Load((float*)(from + (3 * quarter)));
            a.StoreAlignedNonTemporal((float*)to);
            b.StoreAlignedNonTemporal((float*)(to + quarter));
            c.StoreAlignedNonTemporal((float*)(to + (2 * quarter)));
            d.StoreAlignedNonTemporal((float*)(to + (3 * quarter)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ahead(byte* address)
    {
        if (Sse.IsSupported)
        {
            Sse.PrefetchNonTemporal(address + BytesAhead);
        }
    }

    // Keeps the compiler from dropping loops whose result nobody needs.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Consume(float value) => _ = value;
}
