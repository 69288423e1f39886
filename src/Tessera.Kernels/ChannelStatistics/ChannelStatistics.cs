using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Statistics of channels from which Puzzle ranks what to keep: score_i = mean_t |x[t,i]| · ‖w_i‖.</summary>
/// <remarks>
/// sums[i] += Σ_t |x[t,i]|; norms[i] = sqrt(Σ_r w[r,i]²), where column i of the down projection [outputs, width] is w_i.
/// Error: relative at most 1e-6 for the sums (f32 within 64 tokens, double beyond), 1e-12 for the norms.
/// Types: x is f32, on a card f32 or bf16; there sums are taken in double throughout.
/// Determinism: bitwise, independent of thread count; the bits of the sums depend on where calls are cut.
/// Cost: 4 bytes per element.
/// Source: Puzzle (Bercovich et al. 2025), channel contribution.
/// </remarks>
public static unsafe partial class ChannelStatistics
{
    /// <summary>sums[i] += Σ_t |x[t,i]|.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="x">[tokens, width], what enters the down projection.</param>
    /// <param name="sums">[width], accumulated.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    public static void AccumulateAbsolute(Device device, Elements x, double* sums, int tokens, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            ColumnSums.AddAbsolute(cuda, x, tokens, width, sums);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var mark = cpu.Scratch.Mark();
        int blocks = RowLaunch.Blocks(tokens, RowLaunch.BlockTokens);
        var arguments = new Arguments
        {
            X = x.Floats,
            Sums = sums,
            Partials = cpu.Scratch.Floats((long)blocks * width),
            Tokens = tokens,
            Width = width,
        };
        RowLaunch.Run(cpu, &AbsoluteBody, &arguments, (long)tokens * width);
        RowLaunch.Run(cpu, &SumBody, &arguments, (long)blocks * width);
        cpu.Scratch.Release(mark);
    }

    /// <summary>norms[i] = ‖column i of the weight‖₂.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="weight">[rows, columns], f32 or bf16.</param>
    /// <param name="norms">[columns], assigned.</param>
    /// <exception cref="ArgumentException">The weight is neither f32 nor bf16.</exception>
    public static void ColumnNorms(Device device, in MatrixView weight, double* norms)
    {
        RowLaunch.CheckSizes(weight.Rows, weight.Columns);
        if (weight.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"the weight is {weight.Type.Label()}; expected f32 or bf16", nameof(weight));
        }

        if (device is CudaDevice cuda)
        {
            ColumnSums.RootOfSquares(cuda, weight, norms);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new NormArguments { Weight = weight, Norms = norms };
        RowLaunch.Run(cpu, &NormBody, &arguments, (long)weight.Rows * weight.Columns);
    }

    private struct Arguments
    {
        public float* X;
        public double* Sums;
        public float* Partials;
        public int Tokens;
        public int Width;
    }

    private struct NormArguments
    {
        public MatrixView Weight;
        public double* Norms;
    }
}
