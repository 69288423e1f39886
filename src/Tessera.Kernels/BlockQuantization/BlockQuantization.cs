using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Weights between floating point and the blocks of <see cref="BlockFormat"/>.</summary>
public static unsafe partial class BlockQuantization
{
    /// <summary>The integer of <see cref="BlockFormat.Q4"/> that stands for zero.</summary>
    public const int FourBitZero = 8;

    private const int BlockSize = BlockFormats.BlockSize;

    // A worker's smallest share: enough blocks to be worth waking it for, and a whole number of cache lines in either format.
    private const int GrainBlocks = 64;

    private struct Job
    {
        public BlockFormat Format;
        public DType Type;
        public nint Floats;
        public byte* Blocks;
        public long Count;
    }

    /// <summary>Rounds weights to blocks.</summary>
    /// <remarks>
    /// Q8_0: d = max|x| / 127, q = round(x/d), halves away from zero. Q4_0: d = x_m / −8 with x_m the first x of the largest
    /// magnitude, q = min(15, floor(x/d + 8.5)). d is rounded to binary16 only where it is stored, x/d is x·(1/d), and d = 0
    /// gives q of zero. Weights must be finite and below 65504·127 (65504·8) in size.
    /// Shapes: source [count], target count / 32 blocks; a matrix by rows where 32 divides them.
    /// Aliasing: target must not overlap source.
    /// Error: on Gaussian weights relative L2 5.3e-3 (Q8_0) and 8.8e-2 (Q4_0); blocks that come from blocks are kept bit for bit.
    /// Determinism: equal to <see cref="QuantizeReference"/> bit for bit.
    /// Cost: 5.06 or 4.56 bytes a weight.
    /// Source: the reference quantisation that GGUF files are written with.
    /// </remarks>
    /// <exception cref="ArgumentException">The count is no multiple of a block.</exception>
    public static void Quantize(Device device, BlockFormat format, float* source, byte* target, long count)
    {
        _ = format.Bytes(count);
        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &QuantizeShare, new Job { Format = format, Floats = (nint)source, Blocks = target, Count = count });
    }

    /// <summary>Widens blocks to f32, exactly, or to bf16 with one rounding to nearest, ties to even.</summary>
    /// <remarks>
    /// target[i] = q·d or (q − 8)·d. An f32 holds the product exactly.
    /// Shapes: source count / 32 blocks, target [count].
    /// Aliasing: target must not overlap source.
    /// Cost: 5.06 or 4.56 bytes a weight in f32.
    /// </remarks>
    /// <param name="device">Where to run.</param>
    /// <param name="format">Form of the blocks.</param>
    /// <param name="source">The blocks; any alignment.</param>
    /// <param name="type">f32 or bf16.</param>
    /// <param name="target">Room for the weights.</param>
    /// <param name="count">Weights, a multiple of the block.</param>
    /// <exception cref="ArgumentException">The count is no multiple of a block, or the type neither f32 nor bf16.</exception>
    public static void Dequantize(Device device, BlockFormat format, byte* source, DType type, nint target, long count)
    {
        _ = format.Bytes(count);
        if (type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"blocks widen to f32 or bf16, not to {type.Label()}", nameof(type));
        }

        using var scope = CpuDevice.Enter(device);
        Run(scope.Processor, &DequantizeShare, new Job { Format = format, Type = type, Floats = target, Blocks = source, Count = count });
    }

    private static void Run(CpuDevice cpu, delegate*<void*, int, int, void> body, Job job)
    {
        if (job.Count < GrainBlocks * BlockSize && !cpu.IsPlanning)
        {
            body(&job, 0, 1);
        }
        else
        {
            cpu.Workers.Run(body, &job);
        }
    }

    private static void QuantizeShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count / BlockSize, worker, workers, GrainBlocks);
        float* source = (float*)job->Floats + (start * BlockSize);
        byte* target = job->Blocks + (start * job->Format.BlockBytes());
        QuantizeBlocks(job->Format, source, target, end - start, VectorMath.WritesPastCaches(job->Blocks, job->Format.Bytes(job->Count)));
    }

    private static void DequantizeShare(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        var (start, end) = WorkerPool.Share(job->Count / BlockSize, worker, workers, GrainBlocks);
        byte* source = job->Blocks + (start * job->Format.BlockBytes());
        if (job->Type == DType.F32)
        {
            bool pastCaches = VectorMath.WritesPastCaches((void*)job->Floats, job->Count * sizeof(float));
            Widen(job->Format, source, (float*)job->Floats + (start * BlockSize), end - start, pastCaches);
            return;
        }

        float* block = stackalloc float[BlockSize];
        ushort* target = (ushort*)job->Floats + (start * BlockSize);
        for (long i = start; i < end; i++, source += job->Format.BlockBytes(), target += BlockSize)
        {
            Widen(job->Format, source, block, 1, pastCaches: false);
            Conversion.RoundRange(block, target, BlockSize, pastCaches: false);
        }
    }

    private static void Widen(BlockFormat format, byte* source, float* target, long blocks, bool pastCaches)
    {
        if (format == BlockFormat.Q8)
        {
            WidenEightBits(source, target, blocks, pastCaches);
        }
        else
        {
            WidenFourBits(source, target, blocks, pastCaches);
        }
    }
}
