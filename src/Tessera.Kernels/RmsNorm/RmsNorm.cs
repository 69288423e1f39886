using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Root-mean-square normalisation of rows, alone or fused with the residual addition before it.</summary>
/// <remarks>
/// y[t,i] = x[t,i] · s_t · gain[i] with s_t = 1 / sqrt(mean_i(x[t,i]²) + epsilon).
/// Shapes: x, residual, branch, y [tokens, width]; gain [width]; inverseRms [tokens] f32. All dense.
/// Types: f32 on the processor; on a card activations, gains and the gain's gradient are f32 or bf16, each on its own; f32 arithmetic, one rounding at the store.
/// Saved for backward: x (for the fused form the updated residual) and inverseRms.
/// Error: relative L2 to the reference at most 1e-6 forward, 2e-6 for gradients, beside the rounding of what is stored in bf16.
/// Determinism: bitwise, independent of thread count; a row's result is independent of the other rows.
/// Places: the sum takes the room of one of its summands, and the gradient of x that of y's or is added to what is there. Nobody needs a third place,
/// and a loop with one more stream of writes is a quarter slower (benchmarks/notes/row-kernels.md).
/// Cost: 8 bytes per element forward (16 fused), 12 backward (16 where gradX is accumulated).
/// Source: Zhang and Sennrich 2019.
/// </remarks>
public static unsafe partial class RmsNorm
{
    /// <summary>y = x · s · gain.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="x">[tokens, width].</param>
    /// <param name="gain">[width].</param>
    /// <param name="y">[tokens, width], assigned; may be <paramref name="x"/>.</param>
    /// <param name="inverseRms">[tokens] s_t, assigned, or null.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public static void Forward(
        Device device, Elements x, Elements gain, Elements y, float* inverseRms, int tokens, int width, float epsilon)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, x, default, default, gain, y, inverseRms, tokens, width, epsilon);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new ForwardArguments
        {
            X = x.Floats,
            Gain = gain.Floats,
            Y = y.Floats,
            InverseRms = inverseRms,
            Tokens = tokens,
            Width = width,
            Epsilon = epsilon,
        };
        RowLaunch.Run(cpu, &ForwardBody, &arguments, (long)tokens * width);
    }

    /// <summary>r' = residual + branch; y = r' · s · gain with s taken from r'.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="residual">[tokens, width].</param>
    /// <param name="branch">[tokens, width], what is added to the residual stream.</param>
    /// <param name="sum">Takes r': <paramref name="residual"/> or <paramref name="branch"/>.</param>
    /// <param name="gain">[width].</param>
    /// <param name="y">[tokens, width], assigned; must not overlap the sum, may be the other summand.</param>
    /// <param name="inverseRms">[tokens], assigned, or null.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <exception cref="ArgumentException">The sum lies in a third place.</exception>
    public static void AddForward(
        Device device, Elements residual, Elements branch, Elements sum, Elements gain, Elements y,
        float* inverseRms, int tokens, int width, float epsilon)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (sum != residual && sum != branch)
        {
            throw new ArgumentException("rms norm: the sum takes the place of the residual or of the branch");
        }

        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, residual, branch, sum, gain, y, inverseRms, tokens, width, epsilon);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new ForwardArguments
        {
            X = residual.Floats,
            Branch = branch.Floats,
            Sum = sum.Floats,
            Gain = gain.Floats,
            Y = y.Floats,
            InverseRms = inverseRms,
            Tokens = tokens,
            Width = width,
            Epsilon = epsilon,
        };
        RowLaunch.Run(cpu, &ForwardBody, &arguments, (long)tokens * width);
    }

    /// <summary>
    /// gradX (=, +=) s (gain·gradY − x̂ · mean_i(gain·gradY·x̂)) and gradGain += Σ_t gradY·x̂, with x̂ = x·s.
    /// </summary>
    /// <param name="device">Where to run.</param>
    /// <param name="gradY">[tokens, width].</param>
    /// <param name="x">[tokens, width], what was normalised: for the fused form the updated residual.</param>
    /// <param name="inverseRms">[tokens], from the forward pass.</param>
    /// <param name="gain">[width].</param>
    /// <param name="gradX">[tokens, width], accumulated (the residual stream's gradient); or <paramref name="gradY"/>, which it then replaces.</param>
    /// <param name="gradGain">[width], accumulated, or null for a frozen gain.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    public static void Backward(
        Device device, Elements gradY, Elements x, float* inverseRms, Elements gain, Elements gradX, Elements gradGain, int tokens, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            BackwardCuda(cuda, gradY, x, inverseRms, gain, gradX, gradGain, tokens, width);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var mark = cpu.Scratch.Mark();
        int blocks = RowLaunch.Blocks(tokens, RowLaunch.BlockTokens);
        var arguments = new BackwardArguments
        {
            GradY = gradY.Floats,
            X = x.Floats,
            InverseRms = inverseRms,
            Gain = gain.Floats,
            GradX = gradX.Floats,
            Accumulate = gradX != gradY,
            GradGain = gradGain.Floats,
            Partials = gradGain.Exists ? cpu.Scratch.Floats((long)blocks * width) : null,
            Tokens = tokens,
            Width = width,
        };
        RowLaunch.Run(cpu, &BackwardBody, &arguments, (long)tokens * width);
        if (gradGain.Exists)
        {
            RowLaunch.Run(cpu, &GainBody, &arguments, (long)blocks * width);
        }

        cpu.Scratch.Release(mark);
    }

    private struct ForwardArguments
    {
        public float* X;
        public float* Branch;
        public float* Sum;
        public float* Gain;
        public float* Y;
        public float* InverseRms;
        public int Tokens;
        public int Width;
        public float Epsilon;
    }

    private struct BackwardArguments
    {
        public float* GradY;
        public float* X;
        public float* InverseRms;
        public float* Gain;
        public float* GradX;
        public float* GradGain;
        public float* Partials;
        public int Tokens;
        public int Width;
        public bool Accumulate;
    }
}
