using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>The gated activation of Llama's feed-forward: SiLU of the gate times the up projection.</summary>
/// <remarks>
/// h = g·σ(g)·u with σ(g) = 1 / (1 + e^−g).
/// Shapes: gateUp, gradGateUp [tokens, 2·width], a row holds its gates, then its ups; h, gradH [tokens, width]. Dense.
/// Types: f32 on the processor; on a card gateUp and its gradient are f32 or bf16 alike, h and its gradient likewise; f32 arithmetic, one rounding at the store.
/// Saved for backward: gateUp.
/// Error: relative L2 to the reference at most 1e-6 forward, 1e-6 backward.
/// Determinism: bitwise, independent of thread count and of the number of rows.
/// Cost: 12 bytes per element of h forward, 20 backward, one exponential each.
/// Source: Shazeer 2020, GLU variants improve transformer.
/// </remarks>
public static unsafe partial class SwiGlu
{
    /// <summary>h = silu(gate) · up.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="gateUp">[tokens, 2·width].</param>
    /// <param name="h">[tokens, width], assigned.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns of h.</param>
    public static void Forward(Device device, Elements gateUp, Elements h, int tokens, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            LaunchCuda(ForwardKernel, cuda, gateUp, h, default, tokens, width);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new Arguments { GateUp = gateUp.Floats, H = h.Floats, Tokens = tokens, Width = width };
        RowLaunch.Run(cpu, &ForwardBody, &arguments, (long)tokens * width);
    }

    /// <summary>gradUp = gradH·g·σ(g); gradGate = gradH·u·σ(g)·(1 + g·(1 − σ(g))).</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="gateUp">[tokens, 2·width], as in the forward pass.</param>
    /// <param name="gradH">[tokens, width].</param>
    /// <param name="gradGateUp">[tokens, 2·width], assigned; may be <paramref name="gateUp"/>.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns of h.</param>
    public static void Backward(Device device, Elements gateUp, Elements gradH, Elements gradGateUp, int tokens, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            LaunchCuda(BackwardKernel, cuda, gateUp, gradH, gradGateUp, tokens, width);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new Arguments
        {
            GateUp = gateUp.Floats,
            H = gradH.Floats,
            GradGateUp = gradGateUp.Floats,
            Tokens = tokens,
            Width = width,
        };
        RowLaunch.Run(cpu, &BackwardBody, &arguments, (long)tokens * width);
    }

    private struct Arguments
    {
        public float* GateUp;
        public float* H;
        public float* GradGateUp;
        public int Tokens;
        public int Width;
    }
}
