using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Conversions of arrays between f32 and the bit patterns of bf16 and binary16.</summary>
public static unsafe partial class Conversion
{
    // Below this many elements a fork-join costs more than it saves.
    private const long MinimumParallelCount = 1L << 15;

    private struct Job
    {
        public float* Floats;
        public ushort* Halves;
        public ushort* Target;
        public long Count;
    }

    /// <summary>Rounds to the nearest bf16, ties to even.</summary>
    /// <remarks>
    /// target[i] = bf16(source[i]); overflow gives infinity, a NaN becomes quiet and keeps its sign and upper payload.
    /// Shapes: both [count].
    /// Aliasing: target must not overlap source.
    /// Error: none beyond the one rounding; equal to <see cref="Bf16.Round"/> bit for bit.
    /// Cost: 6 bytes an element.
    /// </remarks>
    public static void ToBf16(Device device, float* source, ushort* target, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ConvertCuda(cuda, (int)DType.F32, source, (int)DType.BF16, target, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &RoundShare, new Job { Floats = source, Halves = target, Count = count });
    }

    /// <summary>Widens to f32, exactly.</summary>
    /// <remarks>
    /// target[i] = f32(source[i]), bit for bit, NaN payloads included.
    /// Shapes: both [count].
    /// Aliasing: target must not overlap source.
    /// Cost: 6 bytes an element.
    /// </remarks>
    public static void FromBf16(Device device, ushort* source, float* target, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ConvertCuda(cuda, (int)DType.BF16, source, (int)DType.F32, target, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &WidenShare, new Job { Floats = target, Halves = source, Count = count });
    }

    /// <summary>Copies bytes on all workers, so that the page faults of a mapped source and of fresh memory are shared too.</summary>
    /// <remarks>target[i] = source[i]. Shapes: both [bytes]. Aliasing: target must not overlap source. Cost: 2 bytes moved a byte.</remarks>
    public static void Copy(Device device, byte* source, byte* target, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (device is CudaDevice cuda)
        {
            cuda.Copy((nint)source, (nint)target, bytes);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &CopyShare, new Job { Halves = (ushort*)source, Target = (ushort*)target, Count = bytes });
    }

    private static void Run(CpuDevice cpu, delegate*<void*, int, int, void> body, Job job)
    {
        if (job.Count < MinimumParallelCount && !cpu.IsPlanning)
        {
            body(&job, 0, 1);
        }
        else
        {
            cpu.Workers.Run(body, &job);
        }
    }

    private static void CopyShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count, worker, workers, 4096);
        Buffer.MemoryCopy((byte*)job->Halves + start, (byte*)job->Target + start, end - start, end - start);
    }

    private static void RoundShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count, worker, workers, 64);
        bool pastCaches = VectorMath.WritesPastCaches(job->Halves, job->Count * sizeof(ushort));
        RoundRange(job->Floats + start, job->Halves + start, end - start, pastCaches);
    }

    private static void WidenShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count, worker, workers, 64);
        bool pastCaches = VectorMath.WritesPastCaches(job->Floats, job->Count * sizeof(float));
        ushort* source = job->Halves + start;
        WidenRange(source, job->Floats + start, end - start, source + (2 * VectorMath.FloatsAhead), pastCaches);
    }
}
