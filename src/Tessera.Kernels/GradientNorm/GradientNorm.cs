using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>The sum of squares of a tensor, from which gradient norms and clip factors are made.</summary>
/// <remarks>
/// Error: relative at most 1e-12: squares of f32 are exact in double and added in double, so nothing overflows.
/// Determinism: bitwise, independent of thread count: fixed blocks of 32,768 elements, added in order.
/// Cost: 4 bytes per element.
/// </remarks>
public static unsafe partial class GradientNorm
{
    /// <summary>sums[i] = Σ x[j]² over tensor i.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="tensors">What to sum over.</param>
    /// <param name="sums">[tensors], assigned, in the device's memory.</param>
    public static void SumsOfSquares(Device device, ReadOnlySpan<GradientTensor> tensors, double* sums)
    {
        if (device is CudaDevice cuda)
        {
            SumsCuda(cuda, tensors, sums);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        for (int i = 0; i < tensors.Length; i++)
        {
            sums[i] = Sum(scope.Processor, tensors[i].Elements.Floats, tensors[i].Count);
        }
    }

    /// <summary>sums[i] = Σ g[j]² over the gradient of tensor i of an optimiser's table.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="table">Described.</param>
    /// <param name="sums">[tensors], assigned, in the device's memory.</param>
    public static void SumsOfSquares(Device device, OptimizerTable table, double* sums)
    {
        var tensors = table.Tensors;
        if (device is CudaDevice cuda)
        {
            SumsCuda(cuda, table.Rows, tensors.Length, table.Chunks, sums);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        for (int i = 0; i < tensors.Length; i++)
        {
            sums[i] = Sum(scope.Processor, tensors[i].Gradient.Floats, tensors[i].Count);
        }
    }

    /// <summary>Σ x[i]², given to the host.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="x">[count].</param>
    /// <param name="count">Elements.</param>
    public static double SumOfSquares(Device device, Elements x, long count)
    {
        var mark = device.Scratch.Mark();
        double sum = 0;
        double* result = (double*)device.Scratch.Allocate(sizeof(double));
        SumsOfSquares(device, [new GradientTensor(x, count)], result);
        device.Download((nint)result, new Span<double>(ref sum));
        device.Scratch.Release(mark);
        return sum;
    }

    /// <summary>The norm of several tensors together, and the factor min(1, limit / norm); nothing waits for the result.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="sums">[count] sums of squares, from <see cref="SumsOfSquares(Device, ReadOnlySpan{GradientTensor}, double*)"/>.</param>
    /// <param name="count">Tensors.</param>
    /// <param name="limit">The largest norm that is left as it is; 0 for none.</param>
    /// <param name="result">Assigned, in the device's memory.</param>
    public static void Clip(Device device, double* sums, int count, double limit, GradientClip* result)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (device is CudaDevice cuda)
        {
            ClipCuda(cuda, sums, count, limit, result);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        if (device.IsPlanning)
        {
            return;
        }

        double squares = 0;
        for (int i = 0; i < count; i++)
        {
            squares += sums[i];
        }

        double norm = Math.Sqrt(squares);
        float factor = limit > 0 && norm > limit ? (float)(limit / norm) : 1f;
        *result = new GradientClip { Squares = squares, Norm = (float)norm, Factor = double.IsFinite(norm) ? factor : float.NaN };
    }

    private static double Sum(CpuDevice cpu, float* x, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var mark = cpu.Scratch.Mark();
        int blocks = RowLaunch.Blocks(count, RowLaunch.BlockElements);
        double* partials = (double*)cpu.Scratch.Allocate((long)blocks * sizeof(double));
        var arguments = new Arguments { X = x, Partials = partials, Count = count, Blocks = blocks };
        RowLaunch.Run(cpu, &Body, &arguments, count);
        double sum = 0;
        for (int block = 0; block < blocks; block++)
        {
            sum += partials[block];
        }

        cpu.Scratch.Release(mark);
        return sum;
    }

    private struct Arguments
    {
        public float* X;
        public double* Partials;
        public long Count;
        public int Blocks;
    }
}
