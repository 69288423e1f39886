using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Linear layers Y = X·Wᵀ with a weight of int8 or int4 groups, for inference.</summary>
/// <remarks>
/// Tokens are rounded to signed bytes, 32 inputs at a time, and multiplied as integers; each group's integer sum is exact, and
/// enters the output by one product of scales.
/// </remarks>
public static unsafe partial class QuantizedLinear
{
    /// <summary>Applies a weight to tokens.</summary>
    /// <remarks>
    /// For every token t and group g: e = max |X[t,g]| / 127, a = round(X[t,g] / e);
    /// Y[t,o] = (accumulate ? Y[t,o] : 0) + Σ_g ((Σ_i a[i]·q[o,g,i])·e)·d[o,g], with W = d·q as <see cref="GroupedMatrix"/> stores it.
    /// Shapes: input [tokens, weight.Columns], weight [outputs, inputs], output [tokens, weight.Rows]; strides in elements.
    /// Types: weight int8 or int4, scales binary16 and f32, the rest f32; on a card input and output are f32 or bf16.
    /// Aliasing: output must not overlap input.
    /// Special values: a token with an infinity or a NaN has NaN in every output; a group whose largest magnitude is below 1e-36
    /// counts as zeros.
    /// Error: relative L2 to Reference, which takes the same integers, at most 1e-6; the rounding of Gaussian tokens adds 6e-3.
    /// Determinism: bitwise. Groups are added in order, products and sums are rounded one by one, so that the bits are the same
    /// for any number of tokens and threads, on any instruction set and, with f32 tokens and outputs, on a card: always invariant.
    /// Cost: 2 · tokens · outputs · inputs operations on integers; few tokens are bound by reading the weight once.
    /// </remarks>
    /// <param name="device">Where to run.</param>
    /// <param name="input">[tokens, weight.Columns].</param>
    /// <param name="inputStride">Elements from one input row to the next.</param>
    /// <param name="weight">[outputs, inputs], int8 or int4.</param>
    /// <param name="output">[tokens, weight.Rows].</param>
    /// <param name="outputStride">Elements from one output row to the next.</param>
    /// <param name="tokens">Rows of input and output.</param>
    /// <param name="accumulate">Whether the product is added to the output or replaces it.</param>
    /// <exception cref="ArgumentException">A stride is below its row, or the weight is neither int8 nor int4.</exception>
    public static void Forward(
        Device device, Elements input, long inputStride, in MatrixView weight, Elements output, long outputStride, int tokens,
        bool accumulate)
    {
        if (!weight.Type.IsGrouped())
        {
            throw new ArgumentException($"linear weight: element type {weight.Type.Label()} is neither int8 nor int4", nameof(weight));
        }

        Linear.CheckStride(inputStride, weight.Columns, tokens, "input");
        Linear.CheckStride(outputStride, weight.Rows, tokens, "output");
        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, input, inputStride, weight, output, outputStride, tokens, accumulate);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        if (tokens > 0 && weight.Rows > 0)
        {
            Launch(cpu, input.Floats, inputStride, weight, output.Floats, outputStride, tokens, accumulate);
        }
    }
}
