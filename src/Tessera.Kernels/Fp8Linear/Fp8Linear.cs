using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Linear layers Y = X·Wᵀ with a weight of E4M3 and a scale a row, on cards of compute capability 8.9 and newer.</summary>
public static unsafe partial class Fp8Linear
{
    /// <summary>Up to this many tokens stream the weight once and are not rounded; more are rounded to E4M3 themselves.</summary>
    public const int FewTokens = Linear.CudaFewTokens;

    /// <summary>Applies a weight to tokens.</summary>
    /// <remarks>
    /// Few tokens (W8A16): Y[t,o] = d[o] · Σ_i bf16(X[t,i]) · Q[o,i], added in f32; bf16 tokens are taken as they are.
    /// More (W8A8): Y[t,o] = d[o] · s[t] · Σ_i P[t,i] · Q[o,i], where a token is rounded as <see cref="Fp8Matrix.Store"/> rounds a row of
    /// a weight, X ≈ s·P. Up to 8,192 columns the sums are the library's with fast accumulation: the tensor cores keep fewer digits than
    /// f32, which costs up to 2e-3 where the formats cost 3.7e-2, and a tenth of the time less. Where their number is no
    /// multiple of 4, and wherever else the library refuses, the weight is widened to bf16 and tokens are not rounded.
    /// Added to Y where <paramref name="accumulate"/> is set.
    /// Shapes: input [tokens, weight.Columns], weight [outputs, inputs] fp8, output [tokens, weight.Rows]; f32 or bf16 each.
    /// Error: relative L2 to Reference on the same rounded tokens 5e-6 for few tokens, 5e-3 for more, and one rounding of the output.
    /// Determinism: bitwise; among few tokens independent of the others, and with <paramref name="invariant"/>, which takes the path
    /// of few tokens 16 at a time, independent of their number.
    /// Cost: few tokens are bound by reading the weight once.
    /// </remarks>
    /// <exception cref="NotSupportedException">The device is not a card with E4M3.</exception>
    internal static void Forward(
        Device device, Elements input, long inputStride, in MatrixView weight, Elements output, long outputStride, int tokens,
        bool accumulate, bool invariant)
    {
        if (device is not CudaDevice cuda)
        {
            throw new NotSupportedException($"fp8 weights need a card of compute capability 8.9 or newer, not {device.Name}");
        }

        Fp8Matrix.CheckRows(weight, 0, weight.Rows);
        Fp8Matrix.RequireFp8(cuda);
        if (tokens == 0 || weight.Rows == 0)
        {
            return;
        }

        if (tokens <= FewTokens || invariant || weight.Columns == 0)
        {
            Few(cuda, input, inputStride, weight, output, outputStride, tokens, accumulate);
        }
        else
        {
            Many(cuda, input, inputStride, weight, output, outputStride, tokens, accumulate);
        }
    }
}
