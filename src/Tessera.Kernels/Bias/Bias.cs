using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>The bias of a linear layer: one number for each output, added to every token's row in place.</summary>
/// <remarks>
/// y[t,i] += bias[i]; gradBias[i] += Σ_t gradY[t,i]; the gradient of y passes unchanged.
/// Shapes: y, gradY [tokens, width], dense; bias, gradBias [width].
/// Types: f32 on the processor; on a card each is f32 or bf16; f32 arithmetic, one rounding at the store.
/// Error: exact up to one rounding forward; relative L2 1e-6 at most for the sums.
/// Determinism: bitwise, independent of thread count; sums run over blocks of 64 tokens that are added in order.
/// Cost: 8 bytes an element forward, 4 backward.
/// </remarks>
public static unsafe partial class Bias
{
    /// <summary>y += bias in every row.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="y">[tokens, width], updated.</param>
    /// <param name="bias">[width].</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    public static void Forward(Device device, Elements y, Elements bias, int tokens, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, y, bias, tokens, width);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var arguments = new Arguments { Rows = y.Floats, Bias = bias.Floats, Tokens = tokens, Width = width };
        RowLaunch.Run(scope.Processor, &ForwardBody, &arguments, (long)tokens * width);
    }

    /// <summary>gradBias += the sum of gradY's rows.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="gradY">[tokens, width].</param>
    /// <param name="gradBias">[width], accumulated.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    public static void Backward(Device device, Elements gradY, Elements gradBias, int tokens, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            ColumnSums.Add(cuda, gradY, tokens, width, gradBias);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var mark = cpu.Scratch.Mark();
        int blocks = RowLaunch.Blocks(tokens, RowLaunch.BlockTokens);
        var arguments = new Arguments
        {
            Rows = gradY.Floats,
            Bias = gradBias.Floats,
            Partials = cpu.Scratch.Floats((long)blocks * width),
            Tokens = tokens,
            Width = width,
        };
        RowLaunch.Run(cpu, &PartialBody, &arguments, (long)tokens * width);
        RowLaunch.Run(cpu, &SumBody, &arguments, (long)blocks * width);
        cpu.Scratch.Release(mark);
    }

    private struct Arguments
    {
        public float* Rows;
        public float* Bias;
        public float* Partials;
        public int Tokens;
        public int Width;
    }
}
