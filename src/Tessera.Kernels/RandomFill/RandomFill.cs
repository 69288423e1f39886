using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Fresh weights: normal numbers by counter, and constants.</summary>
/// <remarks>
/// target[i] = deviation · n_i, where n_i is the number that <see cref="CounterRandom.NextGaussian"/> gives after 2·(first + i) words of
/// (seed, stream): sqrt(−2 ln u) · cos(2π u') of two words, in double, rounded to f32, scaled, and rounded once more to bf16.
/// Shapes: target [count], f32 or bf16.
/// Error: two machines can differ by one rounding of f32 where their logarithms and cosines differ; none was seen in a million.
/// Determinism: bitwise, independent of thread count and of how a tensor is cut into calls.
/// Cost: 4 bytes and a logarithm and a cosine in double an element.
/// Source: Box and Muller 1958; Salmon et al. 2011.
/// </remarks>
public static unsafe partial class RandomFill
{
    // A block of the generator has four words, which give two numbers.
    private const int NumbersOfBlock = 2;

    /// <summary>target[i] = deviation · n_i.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="target">[count], assigned.</param>
    /// <param name="count">Elements.</param>
    /// <param name="seed">Seed of the generator.</param>
    /// <param name="stream">Stream: one a tensor.</param>
    /// <param name="first">Number of the first element in its stream.</param>
    /// <param name="deviation">Standard deviation.</param>
    public static void Gaussian(Device device, Elements target, long count, ulong seed, ulong stream, long first, float deviation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        if (device is CudaDevice cuda)
        {
            FillCuda(cuda, GaussianKernel, target, count, seed, stream, first, deviation);
            return;
        }

        var arguments = new Arguments
        {
            Target = target,
            Seed = seed,
            Stream = stream,
            First = first,
            Count = count,
            Value = deviation,
        };
        Run(device, &GaussianBody, &arguments);
    }

    /// <summary>target[i] = value.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="target">[count], assigned.</param>
    /// <param name="count">Elements.</param>
    /// <param name="value">The constant.</param>
    public static void Constant(Device device, Elements target, long count, float value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            FillCuda(cuda, ConstantKernel, target, count, 0, 0, 0, value);
            return;
        }

        var arguments = new Arguments { Target = target, Count = count, Value = value };
        Run(device, &ConstantBody, &arguments);
    }

    private static void Run(Device device, delegate*<void*, int, int, void> body, Arguments* arguments)
    {
        if (arguments->Target.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"weights are filled as f32 or bf16, not as {arguments->Target.Type.Label()}");
        }

        using var scope = CpuDevice.Enter(device);
        RowLaunch.Run(scope.Processor, body, arguments, arguments->Count);
    }

    private static void GaussianBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers);
        if (start == end)
        {
            return;
        }

        long place = a.First + start;
        var random = new CounterRandom(a.Seed, a.Stream) { Counter = (ulong)(place / NumbersOfBlock) };
        if (place % NumbersOfBlock != 0)
        {
            _ = random.NextGaussian();
        }

        for (long i = start; i < end; i++)
        {
            Store(a.Target, i, random.NextGaussian() * a.Value);
        }
    }

    private static void ConstantBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers);
        for (long i = start; i < end; i++)
        {
            Store(a.Target, i, a.Value);
        }
    }

    private static void Store(Elements target, long i, float value)
    {
        if (target.Type == DType.F32)
        {
            ((float*)target.Address)[i] = value;
        }
        else
        {
            ((ushort*)target.Address)[i] = Bf16.Round(value);
        }
    }

    private struct Arguments
    {
        public Elements Target;
        public ulong Seed;
        public ulong Stream;
        public long First;
        public long Count;
        public float Value;
    }
}
