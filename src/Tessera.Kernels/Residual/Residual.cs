using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Element-wise addition and scaling of flat tensors: the residual stream, its gradients, sums of losses.</summary>
/// <remarks>
/// Types: f32 on the processor; on a card each operand is f32 or bf16, and arithmetic f32.
/// Determinism: bitwise, independent of thread count; every element is one rounding of the exact formula (in bf16 a second, from
/// f32 at the store).
/// Cost: 12 bytes per element for the additions in f32, 6 in bf16; 8 and 4 for scaling.
/// </remarks>
public static unsafe partial class Residual
{
    /// <summary>sum[i] = a[i] + b[i].</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="a">[count].</param>
    /// <param name="b">[count].</param>
    /// <param name="sum">[count], assigned; may be <paramref name="a"/> or <paramref name="b"/>.</param>
    /// <param name="count">Elements.</param>
    public static void Add(Device device, Elements a, Elements b, Elements sum, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            AddCuda(cuda, a, b, sum, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new Arguments { A = a.Floats, B = b.Floats, Result = sum.Floats, Count = count };
        RowLaunch.Run(cpu, &AddBody, &arguments, count);
    }

    /// <summary>target[i] += source[i].</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="target">[count], accumulated.</param>
    /// <param name="source">[count].</param>
    /// <param name="count">Elements.</param>
    public static void Accumulate(Device device, Elements target, Elements source, long count) =>
        Add(device, target, source, target, count);

    /// <summary>target[i] = factor · target[i].</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="target">[count], updated in place.</param>
    /// <param name="factor">The multiplier.</param>
    /// <param name="count">Elements.</param>
    public static void Scale(Device device, Elements target, float factor, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ScaleCuda(cuda, target, factor, count);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new Arguments { A = target.Floats, Result = target.Floats, Factor = factor, Count = count };
        RowLaunch.Run(cpu, &ScaleBody, &arguments, count);
    }

    private struct Arguments
    {
        public float* A;
        public float* B;
        public float* Result;
        public float Factor;
        public long Count;
    }
}
